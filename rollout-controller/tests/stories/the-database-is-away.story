# The ledger is down while Rust breaks: nothing advances, protection goes on.
---
seed = 3
start = "2026-11-24T20:00:00Z"
routes = ["public"]
---
$ traffic-alone 60
$ rolloutctl start --reason "scorer 2.4" --yes
✔ applied: score: rollout 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 3
$ until 5%
21:00  [advancing] score: start at 1 %: the largest first stage that is safe at 603 requests a minute
21:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
21:07  [advancing] score: advance from 1 % to 5 %: 29 requests in 4 minutes, errors 0.0 % [0.0 %, 16.8 %]; every limit shown to hold by now, least clearly errors at odds 1:140
$ ledger down
$ minutes 3
21:08  [unknown] score: the ledger is down, so nothing advances; the evidence of the last hour shows no breach (reading the journal of rollout `score`: the database cannot be reached: connection refused)
$ rolloutctl status
Name:        score (run 0, -)
Status:      ? ledger down
Why:         reading the journal of rollout `score`: the database cannot be reached: connection refused
Next:        nothing advances; `rolloutctl rollback` works without the ledger
Stage:       0/6
  Journal:   0 % on Rust
  public:    5 % shown by the rule
Revision:    0
[exit 30]

# Commands need the journal, except the one that makes it safe.
$ rolloutctl pause --reason "database is away" --yes
error: reading the journal of rollout `score`: the database cannot be reached: connection refused
[exit 1]
$ rust errors 40%
$ minutes 12
21:15  [unknown] score: the ledger is down, so nothing advances; rollback at 5 %: after 216 requests, errors 7.4 % [2.4 %, 16.1 %], old side 0.1 %, allowed 2 times that plus 0.1 points; odds 1:1,400; every route is at 0 % (reading the journal of rollout `score`: the database cannot be reached: connection refused)
21:16  [unknown] score: the ledger is down, so nothing advances; no rule gives Rust traffic (reading the journal of rollout `score`: the database cannot be reached: connection refused)
$ pages
INFO    started: score: rollout 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
TRIGGER rolled-back: score: rolled back without the ledger, 5 % → 0 %
$ rolloutctl rollback --reason "to be sure" --yes
✔ applied: score: rolled back: every route at 0 %. The ledger is down; the next tick that reaches it journals this (reading the journal of rollout `score`: the database cannot be reached: connection refused)
  public shows 0 %
  ledger down at revision 0

# The database is back: what happened meanwhile is journalled.
$ ledger up
$ minutes 2
21:23  [rolled back] score: rolled back: every rule was found at 0 % instead of 5 %: rolled back by hand, or while the ledger was down
$ rolloutctl status
Name:        score (run 1, active)
Status:      ✖ rolled back
Why:         every rule was found at 0 % instead of 5 %: rolled back by hand, or while the ledger was down (2026-11-24 21:23 UTC)
Next:        study the cause; `rolloutctl start` begins a new rollout
Stage:       0/6
  Journal:   0 % on Rust
  public:    0 % shown by the rule
Against:     odds 1:0.9 (ln E -0.10, rollback at 4.61), led by rel_p99
For:         ✔ err 5.0/4.6  ✔ p50 25.1/4.6  ✔ p95 19.4/4.6  ✔ p99 5.0/4.6 after 4 minutes, up to 2026-11-24T21:04Z
Revision:    25

          old                        new                        limit
requests  2,902                      35
errors    0.1 % [0.01 %, 0.6 %]      0.0 % [0.0 %, 14.3 %]      1 %
P50       50 ms [40, 50]             25 ms [12.5, 25]           100 ms
P95       80 ms [63, 100]            31.5 ms [20, …]            200 ms
P99       125 ms [80, 125]           31.5 ms [25, …]            500 ms

     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     6  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 603 requests a minute
     7  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    17  2026-11-24 21:07 UTC  1 % → 5 % intended: advance from 1 % to 5 %: 29 requests in 4 minutes, errors 0.0 % [0.0 %, 16.8 %]; every limit shown to hold by now, least clearly errors at odds 1:140
    18  2026-11-24 21:07 UTC  1 % → 5 % applied on every route, read back
    21  2026-11-24 21:23 UTC  every rule was found at 0 %, 5 % expected
    22  2026-11-24 21:23 UTC  ended, rolled back: every rule was found at 0 % instead of 5 %: rolled back by hand, or while the ledger was down
[exit 20]
$ rolloutctl history
     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     4  2026-11-24 21:00 UTC  history of 58 minutes read, 603 requests a minute; first stage 1 %
     6  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 603 requests a minute
     7  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    17  2026-11-24 21:07 UTC  1 % → 5 % intended: advance from 1 % to 5 %: 29 requests in 4 minutes, errors 0.0 % [0.0 %, 16.8 %]; every limit shown to hold by now, least clearly errors at odds 1:140
    18  2026-11-24 21:07 UTC  1 % → 5 % applied on every route, read back
    21  2026-11-24 21:23 UTC  every rule was found at 0 %, 5 % expected
    22  2026-11-24 21:23 UTC  ended, rolled back: every rule was found at 0 % instead of 5 %: rolled back by hand, or while the ledger was down
