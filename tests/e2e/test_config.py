# SPDX-License-Identifier: GPL-3.0-or-later
"""forewarn.yml from outside: what is wrong is named with its place."""
from forewarn_e2e import Case, main


class Config(Case):
    def refuse(self, text, place, says):
        path = self.write("forewarn.yml", text)
        got = self.cli("config", "check", path, rc=2)
        self.assertEqual(got.out, "")
        self.assertEqual(got.err.split(": ", 2)[1], "%s:%s" % (path, place))
        self.assertIn(says, got.err)

    def test_a_good_file_is_good(self):
        path = self.write("forewarn.yml", "retention: 5d\n")
        got = self.cli("config", "check", path)
        self.assertIn("good (0 watches, 0 webhooks)", got.out)

    def test_the_defaults_are_a_good_file(self):
        text = self.cli("config", "defaults").out
        self.assertIn("retention: 90d", text)
        self.cli("config", "check", self.write("defaults.yml", text))

    def test_the_keys_are_listed(self):
        keys = self.cli("config", "keys").out.split()
        self.assertIn("retention", keys)
        self.assertIn("watches[].breach", keys)
        self.assertIn("notify.webhooks[].url", keys)

    def test_a_wrong_key_has_its_place_and_the_nearest_right_one(self):
        self.refuse("log_level: info\nretentoin: 5d\n", "2:1",
                    "did you mean 'retention'?")

    def test_a_query_that_does_not_parse_is_shown(self):
        self.refuse("watches:\n  - watch: A\n    expr: rate(x[5m]\n"
                    "    breach: '> 1'\n    horizon: 1h\n    owner: o\n"
                    "    reason: r\n", "3:21", "rate(x[5m]")

    def test_hostile_texts_do_not_reach_the_terminal(self):
        path = self.write("forewarn.yml", "log_level: \"\\e[31mred\\a\"\n")
        got = self.cli("config", "check", path, rc=2)
        self.assertNotIn("\x1b", got.err)
        self.assertNotIn("\x07", got.err)
        path = self.write("forewarn.yml", "\"\\e[31mred\": 1\n")
        got = self.cli("config", "check", path, rc=2)
        self.assertNotIn("\x1b", got.err)

    def test_no_file_is_said_to_be_no_file(self):
        got = self.cli("config", "check", self.tmp / "none.yml", rc=3)
        self.assertIn("No such file", got.err)

    def test_a_server_does_not_start_on_a_wrong_file(self):
        path = self.write("forewarn.yml", "retention: soon\n")
        got = self.cli("serve", "--config", path, "--data", self.tmp / "d",
                       rc=2)
        self.assertIn("forewarn.yml:1:12: 'retention' takes a duration",
                      got.err)

    def test_other_words_are_answered_with_the_right_ones(self):
        got = self.cli("config", "chek", "x", rc=2)
        self.assertIn("forewarn config check FILE", got.err)
        self.cli("config", rc=2)


if __name__ == "__main__":
    main()
