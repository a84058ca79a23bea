/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limits.h - every cap, on one page an operator can read.
 *
 * Those that an option or a configuration key can change stand here with
 * their default; the room that enforces one counts how often it struck.
 */
#ifndef FW_STORAGE_BASE_LIMITS_H
#define FW_STORAGE_BASE_LIMITS_H

/* Series and labels */
#define FW_MAX_SERIES 10000000u /* --max-series */
#define FW_MAX_LABELS 64        /* labels of one series */
#define FW_MAX_LABEL_NAME_BYTES 1024
#define FW_MAX_LABEL_VALUE_BYTES 4096
#define FW_MAX_SERIES_BYTES 16384 /* all names and values of one series */

/* Writing */
#define FW_MAX_BATCH_SAMPLES 65536     /* samples of one batch */
#define FW_MAX_PENDING_SAMPLES 1048576 /* samples waiting for the committer */
#define FW_MAX_FUTURE_MS 600000        /* --max-future: ahead of the clock */
#define FW_OOO_WINDOW_MS 3600000       /* --out-of-order-window */
#define FW_COMMIT_LINGER_MS 10         /* --commit-linger */
#define FW_COMMIT_BYTES (256 * 1024)   /* journal bytes that end the linger */
#define FW_JOURNAL_BYTES ((uint64_t)32 << 20) /* --journal-bytes: 1 or 2 s */
#define FW_JOURNAL_SAMPLES                                                     \
    ((uint64_t)16 << 20) /* --journal-samples: the same, of whole numbers */
#define FW_DISK_FLOOR_BYTES                                                    \
    (16 << 20) /* --disk-floor: free space kept back                           \
                */
#define FW_PLAIN_SAMPLES_BYTES (64 << 20) /* --plain-samples */
#define FW_SNAPSHOT_MS 1000         /* --query-snapshot: one view of a file */
#define FW_RETENTION_MS 7776000000  /* --retention: 90 days */
#define FW_ROLLUP_LEAD_MS 604800000 /* --rollup-lead: 7 days */
#define FW_CLOSE_AFTER_MS 14400000  /* --close-after: a day's end, 4 hours */
#define FW_MAX_QUARANTINE_BYTES ((uint64_t)512 << 20) /* of quarantine/ */
#define FW_MAX_QUARANTINE_FILES 1000u                 /* the same */

/* Reading */
#define FW_MAX_QUERY_TEXT_BYTES 65536
#define FW_MAX_QUERY_DEPTH 64                /* nesting of one expression */
#define FW_MAX_QUERY_CHAIN 512               /* operators in a row */
#define FW_MAX_QUERY_BYTES ((size_t)1 << 30) /* memory of one query */
#define FW_MAX_QUERY_SERIES 1000000          /* series one query may touch */
#define FW_MAX_QUERY_SAMPLES 500000000       /* samples one query may read */
#define FW_MAX_QUERY_RESULT 50000000         /* points of one answer */
#define FW_MAX_QUERY_POINTS 11000            /* steps of a range query */
#define FW_MAX_QUERY_MS 120000               /* time of one query */
#define FW_MAX_REGEX_BYTES 4096
#define FW_QUERY_LOOKBACK_MS 300000 /* --lookback */

/* The server */
#define FW_MAX_LINE_BYTES 1048576     /* one line on the line port */
#define FW_MAX_LINE_VALUES 16384      /* fields of one line */
#define FW_MAX_LINE_REPLY_BYTES 65536 /* answers a sender has not read yet */
#define FW_MAX_LINE_SYNCS 4096        /* tokens of one sender unanswered */
#define FW_MAX_LINE_BATCHES 16        /* batches of one sender in flight */
#define FW_MAX_SYNC_TOKEN_BYTES 256
#define FW_MAX_SERIES_CACHE 262144         /* series one sender is known by */
#define FW_MAX_SERIES_CACHE_BYTES 67108864 /* and their text */
#define FW_MAX_NAME_TRAIL 131072           /* names over HTTP kept as sent */
#define FW_MAX_NAME_TRAIL_BYTES 16777216   /* and their text */
#define FW_MAX_CONNECTIONS 1024            /* --max-connections */
#define FW_MAX_LOCAL_CONNECTIONS 64        /* commands at the local socket */
#define FW_MAX_LOCAL_REQUEST_BYTES 1048576
#define FW_MAX_WORKER_JOBS 256 /* jobs waiting for a worker */
#define FW_MAX_CONFIG_BYTES (4 << 20)
#define FW_MAX_WATCHES 10000
#define FW_MAX_OUTBOX 10000         /* notifications waiting */
#define FW_MAX_BACKTEST_SERIES 1000 /* of a watch that tests itself */
#define FW_MAX_PAGE_BUDGET 100      /* predicted pages of one owner in a day */
#define FW_MAX_ACTION_RUNS 1000     /* of one action in a day */
#define FW_MAX_AUDIT_TEXT 65536     /* a reason, a before or after */
#define FW_MAX_MANAGER_ALERTS 10000 /* waiting for Alertmanagers */
#define FW_MAX_MANAGERS 64          /* addresses of Alertmanagers at once */
#define FW_MAX_REPLY_BYTES ((size_t)256 << 20)

/* HTTP */
#define FW_MAX_HTTP_HEAD_BYTES 16384  /* request line and header fields */
#define FW_MAX_HTTP_TARGET_BYTES 8192 /* path and query string */
#define FW_MAX_HTTP_FIELDS 100
#define FW_MAX_HTTP_FORM_BYTES (1 << 20)  /* body of a query */
#define FW_MAX_HTTP_BODY_BYTES (32 << 20) /* decoded body of a write */
#define FW_MAX_HTTP_RATIO 200 /* decoded : sent, beyond the first MiB */
#define FW_MAX_HTTP_MEMORY_BYTES ((size_t)256 << 20) /* bodies, together */
#define FW_MAX_HTTP_PARAMETERS 1024
#define FW_HTTP_HEAD_MS 10000   /* from the first byte to the end of the head */
#define FW_HTTP_IDLE_MS 120000  /* between two requests */
#define FW_HTTP_GRACE_MS 10000  /* then the least rate applies */
#define FW_HTTP_LEAST_RATE 1024 /* bytes a second of a body */
#define FW_HTTP_STALL_MS 30000  /* a reader that takes less than the rate */
#define FW_HTTP_PIECE_BYTES 65536 /* of a streamed reply */

/* Forecasting */
#define FW_MAX_FORECAST_SAMPLES 1000000 /* samples of one series */
#define FW_MAX_FORECAST_SERIES 100000   /* series of one command */
#define FW_MAX_CSV_LINE_BYTES 65536

#endif
