# A rollout that nobody has to touch.
---
seed = 1
start = "2026-11-24T08:00:00Z"
routes = ["public"]
---
# Before anything: looking is the default.
$ rolloutctl status
Health:      • Idle. No rollout has been started; all traffic is on Python.
Next:        rolloutctl start --reason "…"
Name:        score (not started)
Why:         no rollout has been started
  public:    0 % shown by the rule
Revision:    0
$ traffic-alone 60

# A reason is wanted, and a preview is free.
$ rolloutctl start
✖ refused: score: a reason is missing: start --reason "…"
[exit 40]
$ rolloutctl start --reason "scorer 2.4, change 1187" --dry-run
• nothing is done yet, this would be: score: run 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  not started at revision 0
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ applied: score: run 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 4

# Nobody watches.
$ until completed
09:00  [advancing] score: start at 1 %: the largest first stage that is safe at 596 requests a minute
09:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
09:09  [advancing] score: 1 % → 5 %: every limit is proven (36 requests in 6 minutes, none failed)
09:10  [advancing] score: hold at 5 %: no minute of this stage has been judged yet
09:14  [advancing] score: 5 % → 10 %: every limit is proven (90 requests in 3 minutes, none failed)
09:15  [advancing] score: hold at 10 %: no minute of this stage has been judged yet
09:19  [advancing] score: 10 % → 25 %: every limit is proven (174 requests in 3 minutes, none failed)
09:20  [advancing] score: hold at 25 %: no minute of this stage has been judged yet
09:24  [advancing] score: 25 % → 50 %: every limit is proven (455 requests in 3 minutes, none failed)
09:25  [advancing] score: hold at 50 %: no minute of this stage has been judged yet
09:29  [baking] score: 50 % → 75 %: every limit is proven (923 requests in 3 minutes, none failed)
09:30  [baking] score: hold at 75 %: no minute of this stage has been judged yet
10:02  [watching] score: 75 % → 100 %: every limit is proven (13,962 requests in 31 minutes, 12 failed)
10:03  [watching] score: hold at 100 %: no minute of this stage has been judged yet
10:10  [completed] score: complete at 100 %: every limit kept at 75% for 32 minutes and at 100% for 5
$ pages
INFO    started: score: run 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
INFO    stage-reached: score: 5 % → 10 % on Rust
INFO    stage-reached: score: 10 % → 25 % on Rust
INFO    stage-reached: score: 25 % → 50 % on Rust
INFO    stage-reached: score: 50 % → 75 % on Rust
INFO    stage-reached: score: 75 % → 100 % on Rust
INFO    completed: score: completed, all traffic on Rust
$ rolloutctl status
Health:      • Idle. Completed: all traffic is on Rust.
Next:        nothing to do
Name:        score (run 1, active)
Phase:       completed
Why:         completed at 2026-11-24 10:10 UTC
Stage:       7/7
  Journal:   100 % on Rust
  public:    100 % shown by the rule
Against:     odds 1:0.3 (ln E -1.21, rollback at 4.61), led by rel_p99
For:         ✔ err 13.4/1.6  ✔ p50 32.7/1.6  ✔ p95 32.7/1.6  ✔ p99 28.6/1.6 after 5 minutes, up to 2026-11-24T10:07Z
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Revision:    116

          old                        new                        limit
requests  0                          3,629
errors    no data                    0.1 % [0.0 %, 0.6 %]       1 %
P50       no data                    20 ms [16, 25]             100 ms
P95       no data                    40 ms [31.5, 40]           200 ms
P99       no data                    50 ms [40, 50]             500 ms

    43  2026-11-24 09:19 UTC  10 % → 25 % applied on every route, read back
    52  2026-11-24 09:24 UTC  25 % → 50 % intended: every limit is proven (455 requests in 3 minutes, none failed)
    53  2026-11-24 09:24 UTC  25 % → 50 % applied on every route, read back
    62  2026-11-24 09:29 UTC  50 % → 75 % intended: every limit is proven (923 requests in 3 minutes, none failed)
    63  2026-11-24 09:29 UTC  50 % → 75 % applied on every route, read back
   100  2026-11-24 10:02 UTC  75 % → 100 % intended: every limit is proven (13,962 requests in 31 minutes, 12 failed)
   101  2026-11-24 10:02 UTC  75 % → 100 % applied on every route, read back
   113  2026-11-24 10:10 UTC  completed: complete at 100 %: every limit kept at 75% for 32 minutes and at 100% for 5
$ rolloutctl history
     1  2026-11-24 09:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4, change 1187; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     5  2026-11-24 09:00 UTC  history of 58 minutes read, 596 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 1 h)
     7  2026-11-24 09:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 09:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 596 requests a minute
     9  2026-11-24 09:00 UTC  0 % → 1 % applied on every route, read back
    22  2026-11-24 09:09 UTC  1 % → 5 % intended: every limit is proven (36 requests in 6 minutes, none failed)
    23  2026-11-24 09:09 UTC  1 % → 5 % applied on every route, read back
    32  2026-11-24 09:14 UTC  5 % → 10 % intended: every limit is proven (90 requests in 3 minutes, none failed)
    33  2026-11-24 09:14 UTC  5 % → 10 % applied on every route, read back
    42  2026-11-24 09:19 UTC  10 % → 25 % intended: every limit is proven (174 requests in 3 minutes, none failed)
    43  2026-11-24 09:19 UTC  10 % → 25 % applied on every route, read back
    52  2026-11-24 09:24 UTC  25 % → 50 % intended: every limit is proven (455 requests in 3 minutes, none failed)
    53  2026-11-24 09:24 UTC  25 % → 50 % applied on every route, read back
    62  2026-11-24 09:29 UTC  50 % → 75 % intended: every limit is proven (923 requests in 3 minutes, none failed)
    63  2026-11-24 09:29 UTC  50 % → 75 % applied on every route, read back
   100  2026-11-24 10:02 UTC  75 % → 100 % intended: every limit is proven (13,962 requests in 31 minutes, 12 failed)
   101  2026-11-24 10:02 UTC  75 % → 100 % applied on every route, read back
   113  2026-11-24 10:10 UTC  completed: complete at 100 %: every limit kept at 75% for 32 minutes and at 100% for 5
