# One whole night on call: start, pause, a death of the controller, resume, a change
# at the console, an alarm, the rollback, a refused restart, and a new start.
---
seed = 7
start = "2026-11-24T20:00:00Z"
settings = '''
max_hold = "2h"
stages = ["1%", "5%", "25%", "50%", "100%"]
'''
tables = '''
[rollout.alarms]
rollback_on = ["scorer-rs-errors"]
hold_on = ["rds-cpu"]
python_twin = { scorer-rs-errors = "scorer-py-errors" }
'''
routes = ["public"]
---
$ traffic-alone 60

# A misspelt or missing alarm is an error, not silence.
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✖ refused: score: these alarms do not exist: scorer-rs-errors, rds-cpu, scorer-py-errors; create them or take them out of the config
  public shows 0 %
  not started at revision 0
[exit 40]
$ alarm scorer-rs-errors OK
$ alarm scorer-py-errors OK
$ alarm rds-cpu OK
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ applied: score: run 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 4
$ until 5%
21:00  [advancing] score: start at 1 %: the largest first stage that is safe at 604 requests a minute
21:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
21:09  [advancing] score: 1 % → 5 %: every limit is proven (39 requests in 7 minutes, none failed)
$ pages
INFO    started: score: run 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust

# The gateway is to be deployed.
$ rolloutctl pause --for 30m --reason "deploy of the gateway" --yes
✔ applied: score: paused at 5 % until 2026-11-24 21:40 UTC; breaches and alarms still roll back
  public shows 5 %
  paused at revision 28
$ rolloutctl pause --reason "deploy of the gateway" --yes --for 45m
✔ applied: score: paused at 5 % until 2026-11-24 21:55 UTC; breaches and alarms still roll back
  public shows 5 %
  paused at revision 30
$ minutes 10
21:10  [paused] score: hold at 5 %: paused by arn:aws:sts::111122223333:assumed-role/oncall/ada until 2026-11-24 21:55 UTC: deploy of the gateway
$ rolloutctl status
Health:      ✔ Serving safely. Rust has 5 %; every limit is kept up to 2026-11-24 21:16 UTC. It is held there.
Next:        nothing to do
Name:        score (run 1, active)
Phase:       paused
Why:         hold at 5 %: paused by arn:aws:sts::111122223333:assumed-role/oncall/ada until 2026-11-24 21:55 UTC: deploy of the gateway
Stage:       2/6
  Journal:   5 % on Rust
  public:    5 % shown by the rule
Against:     odds 1:0.8 (ln E -0.27, rollback at 4.61), led by minutes_p50
For:         ✔ err 9.0/4.6  ✔ p50 91.9/4.6  ✔ p95 55.5/4.6  ✔ p99 10.0/4.6 after 7 minutes, up to 2026-11-24T21:16Z
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Revision:    40

          old                        new                        limit
requests  4,458                      267
errors    0.04 % [0.0 %, 0.3 %]      0.0 % [0.0 %, 2.6 %]       1 %
P50       50 ms [40, 50]             25 ms [16, 25]             100 ms
P95       100 ms [63, 100]           40 ms [25, 50]             200 ms
P99       125 ms [80, 125]           50 ms [31.5, …]            500 ms

     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4, change 1187; stages 1 %, 5 %, 25 %, 50 %, 100 %
     7  2026-11-24 21:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 604 requests a minute
     9  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    22  2026-11-24 21:09 UTC  1 % → 5 % intended: every limit is proven (39 requests in 7 minutes, none failed)
    23  2026-11-24 21:09 UTC  1 % → 5 % applied on every route, read back
    27  2026-11-24 21:10 UTC  paused until 2026-11-24 21:40 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    29  2026-11-24 21:10 UTC  paused until 2026-11-24 21:55 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
[exit 10]

# The database is away for two minutes; then everything goes on from its journal.
$ ledger down
$ minutes 2
21:20  [unknown] score: reading the journal of rollout `score`: the database cannot be reached: connection refused. nothing advances; nothing speaks for a rollback
$ ledger up
$ minutes 3
21:22  [paused] score: hold at 5 %: paused by arn:aws:sts::111122223333:assumed-role/oncall/ada until 2026-11-24 21:55 UTC: deploy of the gateway

# Grace ends the pause early. Her colleague's older sight of it is stale.
$ person grace
$ rolloutctl resume --reason "gateway is out" --yes
✔ applied: score: resumed at 5 %
  public shows 5 %
  advancing at revision 45
$ person ada
$ rolloutctl resume --reason "gateway is out" --yes --if-revision 10
✖ stale: score: you saw revision 10, and the rollout changed at revision 44
  public shows 5 %
Since then:
    22  2026-11-24 21:09 UTC  1 % → 5 % intended: every limit is proven (39 requests in 7 minutes, none failed)
    23  2026-11-24 21:09 UTC  1 % → 5 % applied on every route, read back
    27  2026-11-24 21:10 UTC  paused until 2026-11-24 21:40 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    29  2026-11-24 21:10 UTC  paused until 2026-11-24 21:55 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    44  2026-11-24 21:25 UTC  resumed by arn:aws:sts::111122223333:assumed-role/oncall/grace: gateway is out
Look at `rolloutctl status`, then give the command again.
  advancing at revision 45
[exit 41]
$ rolloutctl resume --reason "gateway is out" --yes
✔ already so: score: not paused: advancing at 5 %
  public shows 5 %
  advancing at revision 45
$ pages
(none)

# The controller dies right behind a write, before it can journal it.
$ controller dies-after-its-next-write
$ until 25%
21:25  [unknown] score: writing the journal of rollout `score`: the database cannot be reached: connection refused. nothing advances; nothing speaks for a rollback; the rules: public shows 25 %
21:26  [advancing] score: hold at 5 %: no minute of this stage has been judged yet

# Somebody turns the weight up at the console.
$ console public 80%
$ minutes 3
21:27  [moved by someone else] score: hold at 25 %: someone else moved a weight; `resume --adopt` takes it over, or set it back
$ pages
INFO    stage-reached: score: 5 % → 25 % on Rust
TRIGGER moved-by-someone-else: score: a weight was moved by someone else
$ rolloutctl status
Health:      ⚠ Degraded. Moved by someone else: public shows 80 %, the journal says 25 %. No step is taken; protection stays on.
Next:        rolloutctl resume --adopt --reason "…", or rolloutctl rollback --reason "…"
Name:        score (run 1, active)
Phase:       moved by someone else
Why:         hold at 25 %: someone else moved a weight; `resume --adopt` takes it over, or set it back
Stage:       3/6
  Journal:   25 % on Rust
  public:    80 % shown by the rule
Against:     odds 1:0.7 (ln E -0.42, rollback at 4.61), led by rel_p99
For:         ◌ err 0.2/1.6  ✔ p50 6.0/1.6  ✔ p95 5.9/1.6  ✔ p99 1.9/1.6 after 1 minutes, up to 2026-11-24T21:26Z
Page:        ⚠ moved-by-someone-else since 2026-11-24 21:27 UTC
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Revision:    60

          old                        new                        limit
requests  862                        299
errors    0.1 % [0.0 %, 1.2 %]       0.3 % [0.0 %, 3.2 %]       1 %
P50       50 ms [40, 50]             20 ms [16, 25]             100 ms
P95       80 ms [63, 100]            40 ms [25, 50]             200 ms
P99       100 ms [80, 160]           50 ms [31.5, …]            500 ms

    22  2026-11-24 21:09 UTC  1 % → 5 % intended: every limit is proven (39 requests in 7 minutes, none failed)
    23  2026-11-24 21:09 UTC  1 % → 5 % applied on every route, read back
    27  2026-11-24 21:10 UTC  paused until 2026-11-24 21:40 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    29  2026-11-24 21:10 UTC  paused until 2026-11-24 21:55 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    44  2026-11-24 21:25 UTC  resumed by arn:aws:sts::111122223333:assumed-role/oncall/grace: gateway is out
    47  2026-11-24 21:25 UTC  5 % → 25 % intended: every limit is proven (434 requests in 14 minutes, none failed)
    48  2026-11-24 21:26 UTC  5 % → 25 % applied on every route, read back
    53  2026-11-24 21:27 UTC  moved by someone else: 25 % expected, public shows 80 %
[exit 10]
$ rolloutctl resume --reason "was that you?" --yes
✖ refused: score: someone else moved a weight (public shows 80 %; the journal says 25 %): `resume --adopt` takes it over, or set it back
  public shows 80 %
  moved by someone else at revision 60
[exit 40]
$ rolloutctl resume --adopt --reason "no, it is too much" --dry-run
• nothing is done yet, this would be: score: 80 % is taken over in place of 25 %
  public shows 80 %
  moved by someone else at revision 60
$ console public 25%
$ minutes 2
21:30  [advancing] score: hold at 25 %: `public` has 80%, the rollout 25%; each route is compared with itself
$ pages
CLEAR   moved-by-someone-else: score: a weight was moved by someone else

# Trouble of the database is trouble of both sides: it holds.
$ alarm rds-cpu ALARM
$ minutes 3
$ alarm rds-cpu OK
$ minutes 1
21:35  [advancing] score: 25 % → 50 %: every limit is proven (770 requests in 5 minutes, 3 failed)

# Rust alone fails: the alarm rings, and the tick it starts rolls back.
$ alarm scorer-rs-errors ALARM
$ minutes 1
21:36  [rolled back] score: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
$ pages
INFO    stage-reached: score: 25 % → 50 % on Rust
TRIGGER rolled-back: score: rolled back, 50 % → 0 % on Rust
$ rolloutctl status
Health:      • Idle. Rolled back: all traffic is on Python.
Next:        nothing to do
Name:        score (run 1, active)
Phase:       rolled back
Why:         rolled back: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
Stage:       0/6
  Journal:   0 % on Rust
  public:    0 % shown by the rule
Against:     odds 1:0.6 (ln E -0.49, rollback at 4.61), led by minutes_err
For:         ✔ err 4.8/1.6  ✔ p50 32.7/1.6  ✔ p95 32.6/1.6  ✔ p99 13.5/1.6 after 5 minutes, up to 2026-11-24T21:33Z
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Revision:    82

          old                        new                        limit
requests  3,091                      2,349
errors    0.1 % [0.01 %, 0.6 %]      0.3 % [0.01 %, 1.7 %]      1 %
P50       50 ms [40, 50]             25 ms [16, 25]             100 ms
P95       80 ms [63, 100]            40 ms [31.5, 40]           200 ms
P99       125 ms [80, 125]           50 ms [31.5, 50]           500 ms

    47  2026-11-24 21:25 UTC  5 % → 25 % intended: every limit is proven (434 requests in 14 minutes, none failed)
    48  2026-11-24 21:26 UTC  5 % → 25 % applied on every route, read back
    53  2026-11-24 21:27 UTC  moved by someone else: 25 % expected, public shows 80 %
    71  2026-11-24 21:35 UTC  25 % → 50 % intended: every limit is proven (770 requests in 5 minutes, 3 failed)
    72  2026-11-24 21:35 UTC  25 % → 50 % applied on every route, read back
    77  2026-11-24 21:36 UTC  50 % → 0 % intended: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
    78  2026-11-24 21:36 UTC  50 % → 0 % applied on every route, read back
    79  2026-11-24 21:36 UTC  ended, rolled back: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
[exit 20]

# What speaks against a hasty restart.
$ rolloutctl resume --reason "it was nothing" --yes
✖ refused: score: run 1 has ended: rolled back; `rolloutctl start` begins one
  public shows 0 %
  rolled back at revision 82
[exit 40]
$ rolloutctl promote --to 50% --force --reason "it was nothing" --yes
✖ refused: score: run 1 has ended: rolled back; `rolloutctl start` begins one
  public shows 0 %
  rolled back at revision 82
[exit 40]
$ rolloutctl start --yes
✖ refused: score: a reason is missing: start --reason "…"
[exit 40]
$ minutes 5
21:37  [rolled back] score: hold at 0 %: the run does not go on

# The cause was found; a new start is a person's decision.
$ alarm scorer-rs-errors OK
$ rolloutctl start --reason "2.4.1 with the fix, change 1190" --yes
✔ applied: score: run 2 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  starting at revision 91
$ until 5%
21:42  [advancing] score: start at 1 %: the largest first stage that is safe at 543 requests a minute
21:43  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
21:49  [advancing] score: 1 % → 5 %: every limit is proven (39 requests in 5 minutes, none failed)
$ pages
CLEAR   rolled-back: score: started again
INFO    started: score: run 2 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust

# In the morning the journal explains the night.
$ rolloutctl history --limit 500
     1  2026-11-24 21:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4, change 1187; stages 1 %, 5 %, 25 %, 50 %, 100 %
     5  2026-11-24 21:00 UTC  history of 58 minutes read, 604 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 1 h)
     7  2026-11-24 21:00 UTC  the code was seen: public runs rust version 1 beside python version 1
     8  2026-11-24 21:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 604 requests a minute
     9  2026-11-24 21:00 UTC  0 % → 1 % applied on every route, read back
    22  2026-11-24 21:09 UTC  1 % → 5 % intended: every limit is proven (39 requests in 7 minutes, none failed)
    23  2026-11-24 21:09 UTC  1 % → 5 % applied on every route, read back
    27  2026-11-24 21:10 UTC  paused until 2026-11-24 21:40 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    29  2026-11-24 21:10 UTC  paused until 2026-11-24 21:55 UTC by arn:aws:sts::111122223333:assumed-role/oncall/ada: deploy of the gateway
    44  2026-11-24 21:25 UTC  resumed by arn:aws:sts::111122223333:assumed-role/oncall/grace: gateway is out
    47  2026-11-24 21:25 UTC  5 % → 25 % intended: every limit is proven (434 requests in 14 minutes, none failed)
    48  2026-11-24 21:26 UTC  5 % → 25 % applied on every route, read back
    53  2026-11-24 21:27 UTC  moved by someone else: 25 % expected, public shows 80 %
    55  2026-11-24 21:27 UTC  page moved-by-someone-else: The journal says 25 %, but public shows 80 %. Nothing is moved until `rolloutctl resume --adopt` takes this over or the weight is set back; evidence and alarms still roll back.
    61  2026-11-24 21:30 UTC  page moved-by-someone-else cleared: Every rule shows the journal's weight again.
    71  2026-11-24 21:35 UTC  25 % → 50 % intended: every limit is proven (770 requests in 5 minutes, 3 failed)
    72  2026-11-24 21:35 UTC  25 % → 50 % applied on every route, read back
    77  2026-11-24 21:36 UTC  50 % → 0 % intended: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
    78  2026-11-24 21:36 UTC  50 % → 0 % applied on every route, read back
    79  2026-11-24 21:36 UTC  ended, rolled back: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed
    88  2026-11-24 21:42 UTC  rollout 2 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: 2.4.1 with the fix, change 1190; stages 1 %, 5 %, 25 %, 50 %, 100 %
    92  2026-11-24 21:42 UTC  history of 100 minutes read, 543 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 2 h)
    94  2026-11-24 21:42 UTC  the code was seen: public runs rust version 1 beside python version 1
    95  2026-11-24 21:42 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 543 requests a minute
    96  2026-11-24 21:42 UTC  0 % → 1 % applied on every route, read back
   107  2026-11-24 21:49 UTC  1 % → 5 % intended: every limit is proven (39 requests in 5 minutes, none failed)
   108  2026-11-24 21:49 UTC  1 % → 5 % applied on every route, read back
