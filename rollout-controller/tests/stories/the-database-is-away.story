# The ledger is down while Rust breaks: nothing advances, protection goes on.
---
seed = 3
start = "2026-11-24T20:00:00Z"
routes = ["public"]
---
$ traffic-alone 60
$ rolloutctl start --reason "scorer 2.4" --yes
✔ Run 1 started. First share within 2 minutes.
  public 0% · read back 21:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch
$ until 5%
21:00  [advancing] score: First share 1%, chosen for 603 requests a minute.
21:01  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
21:07  [advancing] score: 1% → 5%: every limit is proven (35 requests in 5 minutes, none failed).
$ ledger down
$ minutes 3
21:08  [unknown] score: Reading the journal of rollout `score`: the database cannot be reached: connection refused. No step is taken; no limit is visibly broken.
$ rolloutctl status
score · run unknown                                                    21:11 UTC
? Unknown. The journal cannot be read; the rules give Rust 5%.
  No step is taken. Protection goes on from the last hour of metrics.
  Journal: reading the journal of rollout `score`: the database cannot be
  reached: connection refused.
  Cause: rolloutctl check

Rust  5% by the rules; stage, run and revision: unknown
public 5% · read back 21:11:00

Last tick unknown · revision unknown · details: --explain
[exit 30]

# Commands need the journal, except the one that makes it safe.
$ rolloutctl pause --reason "database is away" --yes
error: reading the journal of rollout `score`: the database cannot be reached: connection refused
[exit 1]
$ rust errors 40%
$ minutes 12
21:15  [unknown] score: Reading the journal of rollout `score`: the database cannot be reached: connection refused. Rust failed 16 of 45 requests, Python <0.1%, limit 1%. False alarm: at most 1 in 110. Every route is at 0%.
21:16  [unknown] score: Reading the journal of rollout `score`: the database cannot be reached: connection refused. No rule gives Rust traffic.
$ pages
INFO    started: score: run 1 started by ada
INFO    stage-reached: score: 0% → 1% on Rust
INFO    stage-reached: score: 1% → 5% on Rust
TRIGGER controller-error: score: the journal cannot be used; 5% on Rust
TRIGGER rolled-back: score: rolled back, 5% → 0% on Rust
$ rolloutctl rollback --reason "to be sure" --yes
✔ Rolled back. All traffic is on Python. The journal is away; your name and reason are added later.
  Journal: reading the journal of rollout `score`: the database cannot be reached: connection refused.
  public 0% · read back 21:23:00 UTC · revision unknown

# The database is back: what happened meanwhile is journalled.
$ ledger up
$ minutes 2
21:23  [rolled back] score: Holding at 5%: The run has ended or is being rolled back.
$ rolloutctl status
score · run 1 · rolled back                                            21:25 UTC
• Idle. Rolled back at 21:23; all traffic is on Python.
  ada rolled back: "to be sure".
  Nothing urgent. Why it failed: rolloutctl history; runbook rolled-back

Rust  ┊░┊░░┊░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  0% (was 5)
      1 5  10       25             50                      90   100
public 0% · read back 21:25:00

           Python   Rust      limit    suspicion
requests   2,902    35
errors     0.1%     0 of 35   1%       ·····┃·····
P50        50 ms    25 ms     100 ms   ·····┃·····
P95        80 ms    32 ms     200 ms   ·····┃·····
P99        125 ms   32 ms     500 ms   ·····┃·····
together                               ·····┃····· low

21:23  rolled back: ada rolled back: "to be sure"
21:23  ada ordered a rollback at 21:23, while the journal could not be written:…
21:23  ROLLBACK 5% → 0% at 21:15, while the journal could not be used: Rust fai…

Last tick 1 min ago · judged up to 21:04 · revision 32 · details: --explain
[exit 20]
$ rolloutctl history
score, times in UTC, newest last
   1  21:00  ada     started: "scorer 2.4"
   9  21:00  tick    0% → 1%: first share for 603 requests a minute
  21  21:07  tick    1% → 5%: every limit is proven (35 requests in 5 minutes, none failed)
  25  21:23  tick    ROLLBACK 5% → 0% at 21:15, while the journal could not be used: Rust failed 16 of 45 requests, Python <0.1%, limit 1%. False alarm: at most 1 in 110
  26  21:23  ada     ordered a rollback at 21:23, while the journal could not be written: "to be sure"
  27  21:23  tick    rolled back: ada rolled back: "to be sure"
