# Two listener rules move together; one of them does not take the rollback.
---
seed = 9
start = "2026-11-24T08:00:00Z"
routes = ["public", "internal"]
---
$ traffic-alone 60
$ rolloutctl start --reason "scorer 2.4" --yes
✔ Run 1 started. First share within 2 minutes.
  public 0% · internal 0% · read back 09:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch
$ next-write commits-then-fails
$ until 5%
09:00  [advancing] score: First share 1%, chosen for 1,194 requests a minute.
09:01  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:06  [advancing] score: 1% → 5%: every limit is proven (53 requests in 4 minutes, none failed).
$ route public dead
$ rolloutctl rollback --reason "users see errors" --dry-run
• Dry run, nothing was changed: public 5% → 0%, internal 5% → 0%
  public 5% · internal 5% · read back 09:07:00 UTC · revision 23
$ rolloutctl rollback --reason "users see errors" --yes
✖ Rollback incomplete: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500. The controller tries again each minute.
  Run now: rolloutctl rollback --direct --reason "…"
  public 5% · internal 0% · read back 09:07:00 UTC · revision 30
[exit 42]
$ minutes 2
09:07  [rolling back] score: ada rolled back: "users see errors". Rollback incomplete: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500.
$ rolloutctl status
score · run 1 · rolling back                                           09:09 UTC
✖ Hurting. Rollback incomplete: `public` still sends 5% to Rust.
  AWS: 500.
  The controller tries again each minute.
  Run now, with your own rights:
  rolloutctl rollback --direct --reason "…"

Rust  ███░░┊░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  5%
      1 5  10       25             50                      90   100
public 5% ✖ · internal 0% ✔ · read back 09:09:00

           Python   Rust      limit    proof for 10%      suspicion
requests   6,921    75
errors     <0.1%    0 of 75   1%       ░░░░░░░░░░ waits   ·····┃·····
P50        50 ms    20 ms     100 ms   ░░░░░░░░░░ waits   ·····┃·····
P95        80 ms    40 ms     200 ms   ░░░░░░░░░░ waits   ·····┃·····
P99        125 ms   50 ms     500 ms   ░░░░░░░░░░ waits   ·····┃·····
together                               ░░░░░░░░░░ waits   ·····┃····· low

09:07  ada ROLLBACK 5% → 0% failed: public writing weights of listener rule: 50…
09:06  1% → 5%: every limit is proven (53 requests in 4 minutes, none failed)
09:00  0% → 1%: first share for 1,194 requests a minute

Pages open: rollback-incomplete since 09:07
Last tick 1 min ago · judged up to 09:05 · revision 36 · details: --explain
[exit 42]
$ pages
INFO    started: score: run 1 started by ada
INFO    stage-reached: score: 0% → 1% on Rust
INFO    stage-reached: score: 1% → 5% on Rust
TRIGGER rollback-incomplete: score: ROLLBACK INCOMPLETE: `public` still 5% on Rust
$ route public alive
$ minutes 1
09:09  [rolled back] score: ada rolled back: "users see errors".
$ pages
CLEAR   rollback-incomplete: score: resolved: ROLLBACK INCOMPLETE
INFO    rolled-back: score: rolled back, 5% → 0% on Rust
$ rolloutctl rollback --reason "users see errors" --yes
✔ Nothing to do: every route is at 0% already.
  public 0% · internal 0% · read back 09:10:00 UTC · revision 43

# A late writer raises it once more: it is undone first, and paged second.
$ console internal 5%
$ minutes 2
09:11  [rolled back] score: ada rolled back: "users see errors".
$ pages
TRIGGER moved-by-someone-else: score: moved by someone else
CLEAR   moved-by-someone-else: score: resolved: moved by someone else
$ rolloutctl history
score, times in UTC, newest last
   1  09:00  ada     started: "scorer 2.4"
   9  09:00  tick    0% → 1%: first share for 1,194 requests a minute
  20  09:06  tick    1% → 5%: every limit is proven (53 requests in 4 minutes, none failed)
  26  09:07  ada     ROLLBACK 5% → 0% failed: public writing weights of listener rule: 500; internal shows 0%
  27  09:07  tick    page: ROLLBACK INCOMPLETE
  40  09:07  tick    ROLLBACK 5% → 0%: ada rolled back: "users see errors"
  44  09:10  tick    page: moved by someone else
  47  09:10  tick    ROLLBACK 0% → 0%: Someone raised a share within 15 minutes after the rollback; set back to 0%. Before: public shows 0%; internal shows 5%
  51  09:11  tick    resolved: Every rule shows the intended share again
