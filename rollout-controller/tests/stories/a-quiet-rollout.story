# A rollout that nobody has to touch.
---
seed = 1
start = "2026-11-24T08:00:00Z"
routes = ["public"]
---
# Before anything: looking is the default.
$ rolloutctl status
Name:        score (run 0, -)
Status:      ✔ not started
Why:         no rollout has been started
Next:        rolloutctl start --reason "…"
Stage:       0/6
  Journal:   0 % on Rust
  public:    0 % shown by the rule
Revision:    0
$ traffic-alone 60

# A reason is wanted, and a preview is free.
$ rolloutctl start
✖ refused: score: a reason is missing: start --reason "…"
  public shows 0 %
  not started at revision 0
[exit 40]
$ rolloutctl start --reason "scorer 2.4, change 1187" --dry-run
• nothing is done yet, this would be: score: rollout 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  not started at revision 0
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ applied: score: rollout 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 3

# Nobody watches.
$ until completed
09:00  [advancing] score: start at 1 %: the largest first stage that is safe at 596 requests a minute
09:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
09:09  [advancing] score: advance from 1 % to 5 %: 32 requests in 5 minutes, errors 0.0 % [0.0 %, 15.3 %]; every limit shown to hold by now, least clearly errors at odds 1:280
09:10  [advancing] score: hold at 5 %: no minute of this stage has been judged yet
09:15  [advancing] score: advance from 5 % to 10 %: 92 requests in 3 minutes, errors 0.0 % [0.0 %, 6.1 %]; every limit shown to hold by now, least clearly errors at odds 1:3,200
09:16  [advancing] score: hold at 10 %: no minute of this stage has been judged yet
09:21  [advancing] score: advance from 10 % to 25 %: 177 requests in 3 minutes, errors 0.0 % [0.0 %, 3.4 %]; every limit shown to hold by now, least clearly errors at odds 1:310
09:22  [advancing] score: hold at 25 %: no minute of this stage has been judged yet
09:27  [advancing] score: advance from 25 % to 50 %: 460 requests in 3 minutes, errors 0.0 % [0.0 %, 1.4 %]; every limit shown to hold by now, least clearly errors at odds 1:2,200
09:28  [advancing] score: hold at 50 %: no minute of this stage has been judged yet
09:35  [baking] score: advance from 50 % to 100 %: 1,459 requests in 5 minutes, errors 0.1 % [0.0 %, 0.9 %]; every limit shown to hold by now, least clearly errors at odds 1:830
09:36  [baking] score: hold at 100 %: no minute of this stage has been judged yet
10:08  [completed] score: complete at 100 %: 18,095 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
$ pages
INFO    started: score: rollout 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
INFO    stage-reached: score: 5 % → 10 % on Rust
INFO    stage-reached: score: 10 % → 25 % on Rust
INFO    stage-reached: score: 25 % → 50 % on Rust
INFO    stage-reached: score: 50 % → 100 % on Rust
INFO    completed: score: complete, all traffic on Rust
$ rolloutctl status
Name:        score (run 1, active)
Status:      ✔ completed
Why:         complete at 100 %: 18,095 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000 (2026-11-24 10:08 UTC)
Next:        nothing; see the runbook for decommissioning Python
Stage:       6/6
  Journal:   100 % on Rust
  public:    100 % shown by the rule
Against:     odds 1:0.3 (ln E -1.11, rollback at 4.61), led by rel_err
For:         ✔ err 107.5/4.6  ✔ p50 199.9/4.6  ✔ p95 199.9/4.6  ✔ p99 178.5/4.6 after 30 minutes, up to 2026-11-24T10:05Z
Revision:    100

          old                        new                        limit
requests  0                          18,657
errors    no data                    0.1 % [0.04 %, 0.2 %]      1 %
P50       no data                    20 ms [16, 25]             100 ms
P95       no data                    40 ms [31.5, 40]           200 ms
P99       no data                    50 ms [40, 50]             500 ms

    30  2026-11-24 09:15 UTC  5 % → 10 % applied on every route, read back
    39  2026-11-24 09:21 UTC  10 % → 25 % intended: advance from 10 % to 25 %: 177 requests in 3 minutes, errors 0.0 % [0.0 %, 3.4 %]; every limit shown to hold by now, least clearly errors at odds 1:310
    40  2026-11-24 09:21 UTC  10 % → 25 % applied on every route, read back
    49  2026-11-24 09:27 UTC  25 % → 50 % intended: advance from 25 % to 50 %: 460 requests in 3 minutes, errors 0.0 % [0.0 %, 1.4 %]; every limit shown to hold by now, least clearly errors at odds 1:2,200
    50  2026-11-24 09:27 UTC  25 % → 50 % applied on every route, read back
    61  2026-11-24 09:35 UTC  50 % → 100 % intended: advance from 50 % to 100 %: 1,459 requests in 5 minutes, errors 0.1 % [0.0 %, 0.9 %]; every limit shown to hold by now, least clearly errors at odds 1:830
    62  2026-11-24 09:35 UTC  50 % → 100 % applied on every route, read back
    98  2026-11-24 10:08 UTC  completed: complete at 100 %: 18,095 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
$ rolloutctl history
     1  2026-11-24 09:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4, change 1187; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     4  2026-11-24 09:00 UTC  history of 58 minutes read, 596 requests a minute; first stage 1 %
     6  2026-11-24 09:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 596 requests a minute
     7  2026-11-24 09:00 UTC  0 % → 1 % applied on every route, read back
    19  2026-11-24 09:09 UTC  1 % → 5 % intended: advance from 1 % to 5 %: 32 requests in 5 minutes, errors 0.0 % [0.0 %, 15.3 %]; every limit shown to hold by now, least clearly errors at odds 1:280
    20  2026-11-24 09:09 UTC  1 % → 5 % applied on every route, read back
    29  2026-11-24 09:15 UTC  5 % → 10 % intended: advance from 5 % to 10 %: 92 requests in 3 minutes, errors 0.0 % [0.0 %, 6.1 %]; every limit shown to hold by now, least clearly errors at odds 1:3,200
    30  2026-11-24 09:15 UTC  5 % → 10 % applied on every route, read back
    39  2026-11-24 09:21 UTC  10 % → 25 % intended: advance from 10 % to 25 %: 177 requests in 3 minutes, errors 0.0 % [0.0 %, 3.4 %]; every limit shown to hold by now, least clearly errors at odds 1:310
    40  2026-11-24 09:21 UTC  10 % → 25 % applied on every route, read back
    49  2026-11-24 09:27 UTC  25 % → 50 % intended: advance from 25 % to 50 %: 460 requests in 3 minutes, errors 0.0 % [0.0 %, 1.4 %]; every limit shown to hold by now, least clearly errors at odds 1:2,200
    50  2026-11-24 09:27 UTC  25 % → 50 % applied on every route, read back
    61  2026-11-24 09:35 UTC  50 % → 100 % intended: advance from 50 % to 100 %: 1,459 requests in 5 minutes, errors 0.1 % [0.0 %, 0.9 %]; every limit shown to hold by now, least clearly errors at odds 1:830
    62  2026-11-24 09:35 UTC  50 % → 100 % applied on every route, read back
    98  2026-11-24 10:08 UTC  completed: complete at 100 %: 18,095 requests in 30 minutes, errors 0.1 % [0.03 %, 0.2 %]; every limit shown to hold by now, least clearly errors at odds beyond 1:1,000,000,000
