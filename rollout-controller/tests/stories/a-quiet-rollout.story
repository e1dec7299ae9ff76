# A rollout that nobody has to touch.
---
seed = 1
start = "2026-11-24T08:00:00Z"
routes = ["public"]
---
# Before anything: looking is the default.
$ rolloutctl status
score · no run yet                                                     08:00 UTC
• Not started. All traffic is on Python.
  Begin: rolloutctl start --reason "…"   Before that: rolloutctl check

public 0% · read back 08:00:00

No tick yet · revision 0 · details: --explain
$ traffic-alone 60

# A reason is wanted, and a preview is free.
$ rolloutctl start
✖ Not started: a reason is needed: rolloutctl start --reason "…"
[exit 40]
$ rolloutctl start --reason "scorer 2.4, change 1187" --dry-run
• Dry run, nothing was changed: run 1 by ada: "scorer 2.4, change 1187"
  public  100% Python → first share by traffic, at most 50% Rust, in 2 minutes
  stages  1% 5% 10% 25% 50% 100%; a bake of 30 min before 100%
  limits  errors 1% · P50 100 ms · P95 200 ms · P99 500 ms
  code    Rust version 1, Python version 1
  alarms  none: only the limits roll back
  pages   to the pager and chat
  public 0% · read back 09:00:00 UTC · revision 0
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ Run 1 started. First share within 2 minutes.
  public 0% · read back 09:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch

# Nobody watches.
$ until completed
09:00  [advancing] score: First share 1%, chosen for 596 requests a minute.
09:01  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:09  [advancing] score: 1% → 5%: every limit is proven (36 requests in 6 minutes, none failed).
09:10  [advancing] score: Holding at 5%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:14  [advancing] score: 5% → 10%: every limit is proven (90 requests in 3 minutes, none failed).
09:15  [advancing] score: Holding at 10%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:19  [advancing] score: 10% → 25%: every limit is proven (174 requests in 3 minutes, none failed).
09:20  [advancing] score: Holding at 25%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:24  [advancing] score: 25% → 50%: every limit is proven (455 requests in 3 minutes, none failed).
09:25  [advancing] score: Holding at 50%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:29  [baking] score: 50% → 75%: every limit is proven (923 requests in 3 minutes, none failed).
09:30  [baking] score: Holding at 75%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
10:02  [watching] score: 75% → 100%: every limit is proven (13,962 requests in 31 minutes, 12 failed).
10:03  [watching] score: Holding at 100%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
10:10  [completed] score: Completed: every limit kept at 75% for 32 minutes and at 100% for 5.
$ pages
INFO    started: score: run 1 started by ada
INFO    stage-reached: score: 0% → 1% on Rust
INFO    stage-reached: score: 1% → 5% on Rust
INFO    stage-reached: score: 5% → 10% on Rust
INFO    stage-reached: score: 10% → 25% on Rust
INFO    stage-reached: score: 25% → 50% on Rust
INFO    stage-reached: score: 50% → 75% on Rust
INFO    stage-reached: score: 75% → 100% on Rust
INFO    completed: score: completed, all traffic on Rust
$ rolloutctl status
score · run 1 · completed                                              10:11 UTC
• Idle. Completed at 10:10; all traffic is on Rust.
  Every limit kept at 75% for 32 minutes and at 100% for 5.
  Nothing to do. Rust is no longer judged each minute; alarms remain.

Rust  ███████████████████████████████████████████████████████████  100%
      1 5  10       25             50             75            100
public 100% · read back 10:11:00

           Python   Rust    limit    suspicion
requests   0        3,629
errors     none     0.1%    1%       ·····┃·····
P50        none     20 ms   100 ms   ·····┃·····
P95        none     40 ms   200 ms   ·····┃·····
P99        none     50 ms   500 ms   ·····┃·····
together                             ·····┃····· low

10:10  completed: every limit kept at 75% for 32 minutes and at 100% for 5
10:02  75% → 100%: every limit is proven (13,962 requests in 31 minutes, 12 fai…
09:29  50% → 75%: every limit is proven (923 requests in 3 minutes, none failed)

Last tick 1 min ago · judged up to 10:07 · revision 116 · details: --explain
$ rolloutctl history
score, times in UTC, newest last
   1  09:00  ada     started: "scorer 2.4, change 1187"
   9  09:00  tick    0% → 1%: first share for 596 requests a minute
  23  09:09  tick    1% → 5%: every limit is proven (36 requests in 6 minutes, none failed)
  33  09:14  tick    5% → 10%: every limit is proven (90 requests in 3 minutes, none failed)
  43  09:19  tick    10% → 25%: every limit is proven (174 requests in 3 minutes, none failed)
  53  09:24  tick    25% → 50%: every limit is proven (455 requests in 3 minutes, none failed)
  63  09:29  tick    50% → 75%: every limit is proven (923 requests in 3 minutes, none failed)
 101  10:02  tick    75% → 100%: every limit is proven (13,962 requests in 31 minutes, 12 failed)
 113  10:10  tick    completed: every limit kept at 75% for 32 minutes and at 100% for 5
