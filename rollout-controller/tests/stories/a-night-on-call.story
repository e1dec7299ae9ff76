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
✖ Not started: alarms scorer-rs-errors, rds-cpu, scorer-py-errors do not exist. Create them, or remove them from the config.
  public 0% · read back 21:00:00 UTC · revision 0
[exit 40]
$ alarm scorer-rs-errors OK
$ alarm scorer-py-errors OK
$ alarm rds-cpu OK
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ Run 1 started. First share within 2 minutes.
  public 0% · read back 21:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch
$ until 5%
21:00  [advancing] score: First share 1%, chosen for 604 requests a minute.
21:01  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
21:09  [advancing] score: 1% → 5%: every limit is proven (39 requests in 7 minutes, none failed).
$ pages
INFO    started: score: run 1 started by ada
INFO    stage-reached: score: 0% → 1% on Rust
INFO    stage-reached: score: 1% → 5% on Rust

# The gateway is to be deployed.
$ rolloutctl pause --for 30m --reason "deploy of the gateway" --yes
✔ Paused at 5% until 21:40 UTC. Protection stays on.
  public 5% · read back 21:10:00 UTC · revision 28
$ rolloutctl pause --reason "deploy of the gateway" --yes --for 45m
✔ Paused at 5% until 21:55 UTC. Protection stays on.
  public 5% · read back 21:10:00 UTC · revision 30
$ minutes 10
21:10  [paused] score: Holding at 5%: Paused by ada until 21:55 UTC: "deploy of the gateway".
$ rolloutctl status
score · run 1 · paused                                                 21:20 UTC
✔ Serving safely, paused. Rust stays at 5%; no limit is broken up to 21:16.
  Paused by ada until 21:55 UTC: "deploy of the gateway".
  Protection stays on. Sooner: rolloutctl resume --reason "…"

Rust  ███░░░░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  5%
      1 5           25             50                      90   100
public 5% · read back 21:20:00

           Python   Rust       limit    proof for 25%       suspicion
requests   4,458    267
errors     <0.1%    0 of 267   1%       ██████████ proven   ·····┃·····
P50        50 ms    25 ms      100 ms   ██████████ proven   ·····┃·····
P95        100 ms   40 ms      200 ms   ██████████ proven   ·····┃·····
P99        125 ms   50 ms      500 ms   ██████████ proven   ·····┃·····
together                                ██████████ proven   ·····┃····· low

21:10  ada paused until 21:55: "deploy of the gateway"
21:10  ada paused until 21:40: "deploy of the gateway"
21:09  1% → 5%: every limit is proven (39 requests in 7 minutes, none failed)

Last tick 1 min ago · judged up to 21:16 · revision 40 · details: --explain
[exit 10]

# The database is away for two minutes; then everything goes on from its journal.
$ ledger down
$ minutes 2
21:20  [unknown] score: Reading the journal of rollout `score`: the database cannot be reached: connection refused. No step is taken; no limit is visibly broken.
$ ledger up
$ minutes 3
21:22  [paused] score: Holding at 5%: Paused by ada until 21:55 UTC: "deploy of the gateway".

# Grace ends the pause early. Her colleague's older sight of it is stale.
$ person grace
$ rolloutctl resume --reason "gateway is out" --yes
✔ Resumed at 5%.
  public 5% · read back 21:25:00 UTC · revision 45
$ person ada
$ rolloutctl resume --reason "gateway is out" --yes --if-revision 10
✖ Not resumed: it changed after you looked (revision 10 → 44). Look again.
  Since you looked:
  21:09  1% → 5%: every limit is proven (39 requests in 7 minutes, none failed)
  21:10  ada paused until 21:40: "deploy of the gateway"
  21:10  ada paused until 21:55: "deploy of the gateway"
  21:25  grace resumed: "gateway is out"
  public 5% · read back 21:25:00 UTC · revision 45
[exit 41]
$ rolloutctl resume --reason "gateway is out" --yes
✔ Nothing to do: not paused, Rust has 5%.
  public 5% · read back 21:25:00 UTC · revision 45
$ pages
(none)

# The controller dies right behind a write, before it can journal it.
$ controller dies-after-its-next-write
$ until 25%
21:25  [unknown] score: Writing the journal of rollout `score`: the database cannot be reached: connection refused. No step is taken; no limit is visibly broken. The rules: public shows 25%.
21:26  [advancing] score: Holding at 5%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.

# Someone turns the share up at the console.
$ console public 80%
$ minutes 3
21:27  [moved by someone else] score: Holding at 25%: Someone else changed a share. Accept it with `resume --adopt`, or set it back.
$ pages
INFO    stage-reached: score: 5% → 25% on Rust
TRIGGER moved-by-someone-else: score: `public` moved by someone else: 25% → 80%
$ rolloutctl status
score · run 1 · moved by someone else                                  21:30 UTC
! Degraded. Moved by someone else: `public` shows 80%, not 25%.
  No step is taken; protection stays on.
  Accept it: rolloutctl resume --adopt --reason "…"
  Or all to Python: rolloutctl rollback --reason "…"

Rust  ███████████████░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  25%
      1 5           25             50                      90   100
public 80% · read back 21:30:00

           Python     Rust       limit    proof for 50%       suspicion
requests   862        299
errors     1 of 862   1 of 299   1%       █░░░░░░░░░ ~2 min   ·····┃·····
P50        50 ms      20 ms      100 ms   ██████████ proven   ·····┃·····
P95        80 ms      40 ms      200 ms   ██████████ proven   ·····┃·····
P99        100 ms     50 ms      500 ms   ██████████ proven   ·····┃·····
together                                  █░░░░░░░░░ ~2 min   ·····┃····· low

21:27  moved by someone else: public shows 80%, not 25%
21:25  5% → 25%: every limit is proven (434 requests in 14 minutes, none failed)
21:25  grace resumed: "gateway is out"

Pages open: moved-by-someone-else since 21:27
Last tick 1 min ago · judged up to 21:26 · revision 60 · details: --explain
[exit 10]
$ rolloutctl resume --reason "was that you?" --yes
✖ Not resumed: public shows 80%, not 25%. Accept it: rolloutctl resume --adopt --reason "…". Or set it back.
  public 80% · read back 21:30:00 UTC · revision 60
[exit 40]
$ rolloutctl resume --adopt --reason "no, it is too much" --dry-run
• Dry run, nothing was changed: Taken over: 80% instead of 25%.
  public 80% · read back 21:30:00 UTC · revision 60
$ console public 25%
$ minutes 2
21:30  [advancing] score: Holding at 25%: `public` has 80%, the rollout 25%; each route is compared with itself.
$ pages
CLEAR   moved-by-someone-else: score: resolved: moved by someone else

# Trouble of the database is trouble of both sides: it holds.
$ alarm rds-cpu ALARM
$ minutes 3
$ alarm rds-cpu OK
$ minutes 1
21:35  [advancing] score: 25% → 50%: every limit is proven (770 requests in 5 minutes, 3 failed).

# Rust alone fails: the alarm rings, and the tick it starts rolls back.
$ alarm scorer-rs-errors ALARM
$ minutes 1
21:36  [rolled back] score: Alarm `scorer-rs-errors` went to ALARM (Threshold Crossed).
$ pages
INFO    stage-reached: score: 25% → 50% on Rust
TRIGGER rolled-back: score: rolled back, 50% → 0% on Rust
$ rolloutctl status
score · run 1 · rolled back                                            21:37 UTC
• Idle. Rolled back at 21:36; all traffic is on Python.
  Alarm `scorer-rs-errors` went to ALARM (Threshold Crossed).
  Nothing urgent. Why it failed: rolloutctl history; runbook rolled-back

Rust  ┊░┊░░░░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  0% (was 50)
      1 5           25             50                      90   100
public 0% · read back 21:37:00

           Python   Rust       limit    suspicion
requests   3,091    2,349
errors     0.1%     3 of 904   1%       ·····┃·····
P50        50 ms    25 ms      100 ms   ·····┃·····
P95        80 ms    40 ms      200 ms   ·····┃·····
P99        125 ms   50 ms      500 ms   ·····┃·····
together                                ·····┃····· low

21:36  ROLLBACK 50% → 0%: Alarm `scorer-rs-errors` went to ALARM (Threshold Cro…
21:35  25% → 50%: every limit is proven (770 requests in 5 minutes, 3 failed)
21:27  moved by someone else: public shows 80%, not 25%

Last tick 1 min ago · judged up to 21:33 · revision 82 · details: --explain
[exit 20]

# What speaks against a hasty restart.
$ rolloutctl resume --reason "it was nothing" --yes
✖ Not resumed: run 1 has ended (rolled back). Begin one: rolloutctl start --reason "…"
  public 0% · read back 21:37:00 UTC · revision 82
[exit 40]
$ rolloutctl promote --to 50% --force --reason "it was nothing" --yes
✖ Not promoted: run 1 has ended (rolled back). Begin one: rolloutctl start --reason "…"
  public 0% · read back 21:37:00 UTC · revision 82
[exit 40]
$ rolloutctl start --yes
✖ Not started: a reason is needed: rolloutctl start --reason "…"
[exit 40]
$ minutes 5
21:37  [rolled back] score: Alarm `scorer-rs-errors` went to ALARM (Threshold Crossed).

# The cause was found; a new start is a person's decision.
$ alarm scorer-rs-errors OK
$ rolloutctl start --reason "2.4.1 with the fix, change 1190" --yes
✔ Run 2 started. First share within 2 minutes.
  public 0% · read back 21:42:00 UTC · revision 91
  Follow it: rolloutctl status --watch
$ until 5%
21:42  [advancing] score: First share 1%, chosen for 543 requests a minute.
21:43  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
21:49  [advancing] score: 1% → 5%: every limit is proven (39 requests in 5 minutes, none failed).
$ pages
CLEAR   rolled-back: score: resolved: started again by ada
INFO    started: score: run 2 started by ada
INFO    stage-reached: score: 0% → 1% on Rust
INFO    stage-reached: score: 1% → 5% on Rust

# In the morning the journal explains the night.
$ rolloutctl history --limit 500
score, times in UTC, newest last
   1  21:00  ada      started: "scorer 2.4, change 1187"
   9  21:00  tick     0% → 1%: first share for 604 requests a minute
  23  21:09  tick     1% → 5%: every limit is proven (39 requests in 7 minutes, none failed)
  27  21:10  ada      paused until 21:40: "deploy of the gateway"
  29  21:10  ada      paused until 21:55: "deploy of the gateway"
  44  21:25  grace    resumed: "gateway is out"
  48  21:25  tick     5% → 25%: every limit is proven (434 requests in 14 minutes, none failed)
  53  21:27  someone  moved by someone else: public shows 80%, not 25%
  61  21:30  tick     resolved: Every rule shows the journal's weight again
  72  21:35  tick     25% → 50%: every limit is proven (770 requests in 5 minutes, 3 failed)
  79  21:36  tick     ROLLBACK 50% → 0%: Alarm `scorer-rs-errors` went to ALARM (Threshold Crossed)
  88  21:42  ada      started: "2.4.1 with the fix, change 1190"
  96  21:42  tick     0% → 1%: first share for 543 requests a minute
 108  21:49  tick     1% → 5%: every limit is proven (39 requests in 5 minutes, none failed)
