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
09:10  [advancing] score: advance from 1 % to 5 %: 28 requests in 4 minutes, errors 0.0 % [0.0 %, 17.1 %]; every limit shown to hold by now, least clearly errors at odds 1:120
09:11  [advancing] score: hold at 5 %: no minute of this stage has been judged yet
09:16  [advancing] score: advance from 5 % to 10 %: 95 requests in 3 minutes, errors 0.0 % [0.0 %, 6.0 %]; every limit shown to hold by now, least clearly errors at odds 1:4,300
09:17  [advancing] score: hold at 10 %: no minute of this stage has been judged yet
09:22  [advancing] score: advance from 10 % to 25 %: 192 requests in 3 minutes, errors 0.0 % [0.0 %, 3.2 %]; every limit shown to hold by now, least clearly errors at odds 1:550
09:23  [advancing] score: hold at 25 %: no minute of this stage has been judged yet
09:28  [advancing] score: advance from 25 % to 50 %: 444 requests in 3 minutes, errors 0.0 % [0.0 %, 1.5 %]; every limit shown to hold by now, least clearly errors at odds 1:1,600
09:29  [advancing] score: hold at 50 %: no minute of this stage has been judged yet
09:34  [baking] score: advance from 50 % to 100 %: 885 requests in 3 minutes, errors 0.0 % [0.0 %, 0.8 %]; every limit shown to hold by now, least clearly errors at odds 1:1,300
09:35  [baking] score: hold at 100 %: no minute of this stage has been judged yet
10:07  [completed] score: complete at 100 %: 18,024 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
$ pages
INFO    started: score: run 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
INFO    stage-reached: score: 5 % → 10 % on Rust
INFO    stage-reached: score: 10 % → 25 % on Rust
INFO    stage-reached: score: 25 % → 50 % on Rust
INFO    stage-reached: score: 50 % → 100 % on Rust
INFO    completed: score: completed, all traffic on Rust
$ rolloutctl status
Health:      • Idle. Completed: all traffic is on Rust.
Next:        nothing to do
Name:        score (run 1, active)
Phase:       completed
Why:         completed at 2026-11-24 10:07 UTC
Stage:       6/6
  Journal:   100 % on Rust
  public:    100 % shown by the rule
Against:     odds 1:0.3 (ln E -1.09, rollback at 4.61), led by rel_p99
For:         ✔ err 110.4/4.6  ✔ p50 199.9/4.6  ✔ p95 199.9/4.6  ✔ p99 177.8/4.6 after 30 minutes, up to 2026-11-24T10:04Z
Code:        public: rust version 1 beside python version 1
Revision:    108

          old                        new                        limit
requests  0                          18,585
errors    no data                    0.1 % [0.03 %, 0.2 %]      1 %
P50       no data                    20 ms [16, 25]             100 ms
P95       no data                    40 ms [31.5, 40]           200 ms
P99       no data                    50 ms [40, 50]             500 ms

    35  2026-11-24 09:16 UTC  5 % → 10 % applied on every route, read back
    45  2026-11-24 09:22 UTC  10 % → 25 % intended: advance from 10 % to 25 %: 192 requests in 3 minutes, errors 0.0 % [0.0 %, 3.2 %]; every limit shown to hold by now, least clearly errors at odds 1:550
    46  2026-11-24 09:22 UTC  10 % → 25 % applied on every route, read back
    56  2026-11-24 09:28 UTC  25 % → 50 % intended: advance from 25 % to 50 %: 444 requests in 3 minutes, errors 0.0 % [0.0 %, 1.5 %]; every limit shown to hold by now, least clearly errors at odds 1:1,600
    57  2026-11-24 09:28 UTC  25 % → 50 % applied on every route, read back
    67  2026-11-24 09:34 UTC  50 % → 100 % intended: advance from 50 % to 100 %: 885 requests in 3 minutes, errors 0.0 % [0.0 %, 0.8 %]; every limit shown to hold by now, least clearly errors at odds 1:1,300
    68  2026-11-24 09:34 UTC  50 % → 100 % applied on every route, read back
   105  2026-11-24 10:07 UTC  completed: complete at 100 %: 18,024 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
$ rolloutctl history
     1  2026-11-24 09:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4, change 1187; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     5  2026-11-24 09:00 UTC  history of 58 minutes read, 596 requests a minute; first stage 1 %
     7  2026-11-24 09:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 09:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 596 requests a minute
     9  2026-11-24 09:00 UTC  0 % → 1 % applied on every route, read back
    23  2026-11-24 09:10 UTC  1 % → 5 % intended: advance from 1 % to 5 %: 28 requests in 4 minutes, errors 0.0 % [0.0 %, 17.1 %]; every limit shown to hold by now, least clearly errors at odds 1:120
    24  2026-11-24 09:10 UTC  1 % → 5 % applied on every route, read back
    34  2026-11-24 09:16 UTC  5 % → 10 % intended: advance from 5 % to 10 %: 95 requests in 3 minutes, errors 0.0 % [0.0 %, 6.0 %]; every limit shown to hold by now, least clearly errors at odds 1:4,300
    35  2026-11-24 09:16 UTC  5 % → 10 % applied on every route, read back
    45  2026-11-24 09:22 UTC  10 % → 25 % intended: advance from 10 % to 25 %: 192 requests in 3 minutes, errors 0.0 % [0.0 %, 3.2 %]; every limit shown to hold by now, least clearly errors at odds 1:550
    46  2026-11-24 09:22 UTC  10 % → 25 % applied on every route, read back
    56  2026-11-24 09:28 UTC  25 % → 50 % intended: advance from 25 % to 50 %: 444 requests in 3 minutes, errors 0.0 % [0.0 %, 1.5 %]; every limit shown to hold by now, least clearly errors at odds 1:1,600
    57  2026-11-24 09:28 UTC  25 % → 50 % applied on every route, read back
    67  2026-11-24 09:34 UTC  50 % → 100 % intended: advance from 50 % to 100 %: 885 requests in 3 minutes, errors 0.0 % [0.0 %, 0.8 %]; every limit shown to hold by now, least clearly errors at odds 1:1,300
    68  2026-11-24 09:34 UTC  50 % → 100 % applied on every route, read back
   105  2026-11-24 10:07 UTC  completed: complete at 100 %: 18,024 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
