# The ledger is down while Rust breaks: nothing advances, protection goes on.
---
seed = 3
start = "2026-11-24T20:00:00Z"
routes = ["public"]
---
$ traffic-alone 60
$ rolloutctl start --reason "scorer 2.4" --yes
✔ applied: score: run 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 4
$ until 5%
21:00  [advancing] score: start at 1 %: the largest first stage that is safe at 603 requests a minute
21:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
21:07  [advancing] score: 1 % → 5 %: every limit is proven (35 requests in 5 minutes, none failed)
$ ledger down
$ minutes 3
21:08  [unknown] score: reading the journal of rollout `score`: the database cannot be reached: connection refused. nothing advances; nothing speaks for a rollback
$ rolloutctl status
Health:      ? Unknown. The journal cannot be used (reading the journal of rollout `score`: the database cannot be reached: connection refused); the rules: public shows 5 %. Protection stays on.
Next:        rolloutctl check
Name:        score (run unknown)
Why:         the journal cannot be used, so run, stage and share are not known
  Journal:   unknown
  public:    5 % shown by the rule
Revision:    unknown
[exit 30]

# Commands need the journal, except the one that makes it safe.
$ rolloutctl pause --reason "database is away" --yes
error: reading the journal of rollout `score`: the database cannot be reached: connection refused
[exit 1]
$ rust errors 40%
$ minutes 12
21:15  [unknown] score: reading the journal of rollout `score`: the database cannot be reached: connection refused. rollback at 5 %: Rust failed 16 of 45 requests, Python <0.1%, limit 1%. False alarm: at most 1 in 110; every route is at 0 %
21:16  [unknown] score: reading the journal of rollout `score`: the database cannot be reached: connection refused. no rule gives Rust traffic
$ pages
INFO    started: score: run 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
TRIGGER controller-error: score: the journal cannot be used; 5 % on Rust
TRIGGER rolled-back: score: rolled back, 5 % → 0 % on Rust
$ rolloutctl rollback --reason "to be sure" --yes
✔ applied: score: rolled back: every route at 0 %; it is journalled with your name and reason as soon as the journal can be used (reading the journal of rollout `score`: the database cannot be reached: connection refused)
  public shows 0 %
  the journal cannot be used, revision unknown

# The database is back: what happened meanwhile is journalled.
$ ledger up
$ minutes 2
21:23  [rolled back] score: hold at 5 %: the run does not go on
$ rolloutctl status
Health:      • Idle. Rolled back: all traffic is on Python.
Next:        nothing to do
Name:        score (run 1, active)
Phase:       rolled back
Why:         rolled back: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: to be sure
Stage:       0/7
  Journal:   0 % on Rust
  public:    0 % shown by the rule
Against:     odds 1:0.9 (ln E -0.08, rollback at 4.61), led by rel_p99
For:         ✔ err 5.0/1.6  ✔ p50 25.1/4.6  ✔ p95 19.4/4.6  ✔ p99 5.0/1.6 after 4 minutes, up to 2026-11-24T21:04Z
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Revision:    31

          old                        new                        limit
requests  2,902                      35
errors    0.1 % [0.01 %, 0.6 %]      0.0 % [0.0 %, 14.2 %]      1 %
P50       50 ms [40, 50]             25 ms [12.5, 25]           100 ms
P95       80 ms [63, 100]            31.5 ms [20, …]            200 ms
P99       125 ms [80, 125]           31.5 ms [25, …]            500 ms

     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     7  2026-11-24 21:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 603 requests a minute
     9  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    20  2026-11-24 21:07 UTC  1 % → 5 % intended: every limit is proven (35 requests in 5 minutes, none failed)
    21  2026-11-24 21:07 UTC  1 % → 5 % applied on every route, read back
    25  2026-11-24 21:23 UTC  rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada at 2026-11-24 21:23 UTC, while the journal could not be written: to be sure
    26  2026-11-24 21:23 UTC  ended, rolled back: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: to be sure
[exit 20]
$ rolloutctl history
     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     5  2026-11-24 21:00 UTC  history of 58 minutes read, 603 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 1 h)
     7  2026-11-24 21:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 603 requests a minute
     9  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    20  2026-11-24 21:07 UTC  1 % → 5 % intended: every limit is proven (35 requests in 5 minutes, none failed)
    21  2026-11-24 21:07 UTC  1 % → 5 % applied on every route, read back
    25  2026-11-24 21:23 UTC  rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada at 2026-11-24 21:23 UTC, while the journal could not be written: to be sure
    26  2026-11-24 21:23 UTC  ended, rolled back: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: to be sure
