# The same rollout on a terminal of 80 by 24 and on one of 200 columns: wide ones get
# more columns, not longer lines.
---
seed = 7
start = "2026-11-24T13:00:00Z"
settings = '''
stages = ["1%", "5%", "10%", "25%", "50%", "90%", "100%"]
'''
routes = ["public", "internal"]
---
$ traffic-alone 60
$ terminal 80x24
$ rolloutctl status
score · no run yet                                                     14:00 UTC
• Not started. All traffic is on Python.
  Begin: rolloutctl start --reason "…"   Before that: rolloutctl check

public 0% · internal 0% · read back 14:00:00

No tick yet · revision 0 · details: --explain
$ rolloutctl start --reason "scorer 2.4, change 1187" --yes
✔ Run 1 started. First share within 2 minutes.
  public 0% · internal 0% · read back 14:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch
$ until 10%
14:00  [advancing] score: First share 1%, chosen for 1,203 requests a minute.
14:01  [advancing] score: Holding at 1%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
14:06  [advancing] score: 1% → 5%: every limit is proven (40 requests in 4 minutes, none failed).
14:07  [advancing] score: Holding at 5%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
14:11  [advancing] score: 5% → 10%: every limit is proven (190 requests in 3 minutes, none failed).
$ minutes 6
14:12  [advancing] score: Holding at 10%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
14:16  [advancing] score: 10% → 25%: every limit is proven (331 requests in 3 minutes, none failed).
14:17  [advancing] score: Holding at 25%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.

# Gathering evidence at 10%.
$ rolloutctl status
score · run 1 · advancing                                              14:18 UTC
✔ Serving safely. Rust has 25%; no limit is broken up to 14:14.
  First minutes at this share are not in yet; metrics arrive about 2 minutes
  late.
  Nothing to do. To stop it: rolloutctl rollback --reason "…"

Rust  ███████████████░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  25%
      1 5  10       25             50                      90   100
public 25% · internal 25% · read back 14:18:00

           Python   Rust       limit    proof for 50%      suspicion
requests   4,304    444
errors     <0.1%    0 of 444   1%       ░░░░░░░░░░ waits   ·····┃·····
P50        50 ms    25 ms      100 ms   ░░░░░░░░░░ waits   ·····┃·····
P95        100 ms   40 ms      200 ms   ░░░░░░░░░░ waits   ·····┃·····
P99        125 ms   50 ms      500 ms   ░░░░░░░░░░ waits   ·····┃·····
together                                ░░░░░░░░░░ waits   ·····┃····· low

14:16  10% → 25%: every limit is proven (331 requests in 3 minutes, none failed)
14:11  5% → 10%: every limit is proven (190 requests in 3 minutes, none failed)
14:06  1% → 5%: every limit is proven (40 requests in 4 minutes, none failed)

Last tick 1 min ago · judged up to 14:14 · revision 44 · details: --explain

# The same at 200 columns, at 50, and with everything.
$ terminal 200x50
$ rolloutctl status
score · run 1 · advancing · evidence-2                                                                                                                                                         14:18 UTC
✔ Serving safely. Rust has 25%; no limit is broken up to 14:14.
  First minutes at this share are not in yet; metrics arrive about 2 minutes late.
  Nothing to do. To stop it: rolloutctl rollback --reason "…"

Rust  ███████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░░░░░░  25%             14:16  10% → 25%: every limit is proven (331 requests in 3 minutes,
       1   5    10              25                         50                                         90        100                       none failed)
public 25% · internal 25% · read back 14:18:00                                                                                     14:11  5% → 10%: every limit is proven (190 requests in 3 minutes,
                                                                                                                                          none failed)
           Python   likely range   Rust       likely range     limit    proof for 50%      suspicion                               14:06  1% → 5%: every limit is proven (40 requests in 4 minutes, none
requests   4,304                   444                                                                                                    failed)
errors     <0.1%    0.01 to 0.4%   0 of 444   0 to 1.5%        1%       ░░░░░░░░░░ waits   ·····┃·····                             14:00  0% → 1%: first share for 1,203 requests a minute
P50        50 ms    40 to 50 ms    25 ms      16 to 25 ms      100 ms   ░░░░░░░░░░ waits   ·····┃·····                             14:00  ada started: "scorer 2.4, change 1187"
P95        100 ms   63 to 100 ms   40 ms      31.5 to 50 ms    200 ms   ░░░░░░░░░░ waits   ·····┃·····
P99        125 ms   80 to 125 ms   50 ms      at least 40 ms   500 ms   ░░░░░░░░░░ waits   ·····┃·····
together                                                                ░░░░░░░░░░ waits   ·····┃····· low

Last tick 1 min ago · judged up to 14:14 · revision 44 · details: --explain
$ terminal 50x20
$ rolloutctl status
score · run 1 · advancing                14:18 UTC
✔ Serving safely. Rust has 25%; no limit is broken
  up to 14:14.
  First minutes at this share are not in yet;
  metrics arrive about 2 minutes late.
  Nothing to do. To stop it: rolloutctl rollback
  --reason "…"
Rust  25%, stages 1 5 10 25 50 90 100
public 25% · internal 25% · read back 14:18:00
           Python   Rust       proof
requests   4,304    444
errors     <0.1%    0 of 444   waits
P50        50 ms    25 ms      waits
P95        100 ms   40 ms      waits
P99        125 ms   50 ms      waits
Last tick 1 min ago · judged up to 14:14 ·
revision 44 · details: --explain
$ terminal 80x24
$ rolloutctl status --explain
score · run 1 · advancing                                              14:18 UTC
✔ Serving safely. Rust has 25%; no limit is broken up to 14:14.
  First minutes at this share are not in yet; metrics arrive about 2 minutes
  late.
  Nothing to do. To stop it: rolloutctl rollback --reason "…"

Rust  ███████████████░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  25%
      1 5  10       25             50                      90   100
public 25% · internal 25% · read back 14:18:00

         Python likely range Rust     likely range   limit  proof suspicion
requests 4,304               444
errors   <0.1%  0.01 to 0.4% 0 of 444 0 to 1.5%      1%     waits
P50      50 ms  40 to 50 ms  25 ms    16 to 25 ms    100 ms waits
P95      100 ms 63 to 100 ms 40 ms    31.5 to 50 ms  200 ms waits
P99      125 ms 80 to 125 ms 50 ms    at least 40 ms 500 ms waits
together                                                    waits low

14:16  10% → 25%: every limit is proven (331 requests in 3 minutes, none failed)
14:11  5% → 10%: every limit is proven (190 requests in 3 minutes, none failed)
14:06  1% → 5%: every limit is proven (40 requests in 4 minutes, none failed)

Last tick 1 min ago · judged up to 14:14 · revision 44

Evidence against Rust: ln E -0.32, rollback at 4.61; led by minutes_p50
  errors  proof ln G 10.55 of 4.61, against ln E -1.70
  P50     proof ln G 19.38 of 1.61, against ln E -1.72
  P95     proof ln G 47.41 of 4.61, against ln E -1.72
  P99     proof ln G 10.55 of 4.61, against ln E -1.68
A rollback would be a false alarm in at most 1 in 99 rollouts.
Likely ranges hold at every look together, with 95%.
Minutes that count for the next step: 3
Engine: evidence-2
Code on public: Rust rust version 1, Python python version 1
Code on internal: Rust rust version 1, Python python version 1
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)

# Both sides are slow: Rust is not blamed.
$ both slow 60%
$ minutes 8
14:22  [advancing] score: Back to 10%: Python and Rust both broke P50 within 3 minutes of the step to 25%. Up again after 10 good minutes, after 3 if going back did not help.
14:23  [advancing] score: Holding at 10%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
$ rolloutctl status
score · run 1 · advancing                                              14:26 UTC
✖ Hurting. Python and Rust both break P50; Rust stays at 10%.
  Over 100 ms: Rust 61%, Python 62% of requests (limit 50%). Rust is not worse.
  ✖ Python and Rust both break P95; Rust stays at 10%.
  ✖ Python and Rust both break P99; Rust stays at 10%.
  Look at what both share: database, network. Still: rolloutctl rollback
  --reason "…"

Rust  ██████░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  10%
      1 5  10       25             50                      90   100
public 10% · internal 10% · read back 14:26:00

           Python    Rust       limit    proof for 25%       suspicion
requests   1,145     122
errors     0.3%      0 of 122   1%       ░░░░░░░░░░ ~1 min   ·····┃·····
P50        1.3 s ✖   1.3 s ✖    100 ms   ░░░░░░░░░░ waits    ·····┃·····
P95        1.3 s ✖   1.3 s ✖    200 ms   ░░░░░░░░░░ waits    ·····┃·····
P99        1.3 s ✖   1.3 s ✖    500 ms   ░░░░░░░░░░ waits    ·····┃·····
together                                 ░░░░░░░░░░ waits    ·····┃····· low

Pages open: both-sides since 14:24
Last tick 1 min ago · judged up to 14:22 · revision 61 · details: --explain
[exit 50]
$ both healthy
$ minutes 20
14:38  [advancing] score: 10% → 25%: every limit is proven (1,637 requests in 14 minutes, none failed).
14:39  [advancing] score: Holding at 25%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
14:43  [advancing] score: 25% → 50%: every limit is proven (934 requests in 3 minutes, none failed).
14:44  [advancing] score: Holding at 50%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.

# Rust alone fails; suspicion rises, then it is rolled back.
$ rust errors 20%
$ minutes 3
14:48  [baking] score: 50% → 90%: every limit is proven (1,860 requests in 3 minutes, 3 failed).
$ rolloutctl status
score · run 1 · baking                                                 14:49 UTC
✔ Serving safely. Rust has 90%; no limit is broken up to 14:45.
  50% → 90%: every limit is proven (1,860 requests in 3 minutes, 3 failed).
  Nothing to do. To stop it: rolloutctl rollback --reason "…"

Rust  ██████████████████████████████████████████████████████░░░░░  90%
      1 5  10       25             50                      90   100
public 90% · internal 90% · read back 14:49:00

           Python       Rust    limit    proof for 100%     suspicion
requests   1,845        1,860
errors     0 of 1,845   0.2%    1%       ░░░░░░░░░░ waits   ·····┃·····
P50        50 ms        20 ms   100 ms   ░░░░░░░░░░ waits   ·····┃·····
P95        80 ms        40 ms   200 ms   ░░░░░░░░░░ waits   ·····┃·····
P99        125 ms       50 ms   500 ms   ░░░░░░░░░░ waits   ·····┃·····
together                                 ░░░░░░░░░░ waits   ·····┃····· low

14:48  50% → 90%: every limit is proven (1,860 requests in 3 minutes, 3 failed)
14:43  25% → 50%: every limit is proven (934 requests in 3 minutes, none failed)
14:38  10% → 25%: every limit is proven (1,637 requests in 14 minutes, none fai…

Last tick 1 min ago · judged up to 14:45 · revision 103 · details: --explain
$ until rolled-back
14:49  [baking] score: Holding at 90%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
14:51  [rolled back] score: Rust failed 22% of 2,233 requests, Python 0.1%, limit 1%. False alarm: at most 1 in 30,000.
$ rolloutctl status
score · run 1 · rolled back                                            14:52 UTC
• Idle. Rolled back at 14:51; all traffic is on Python.
  Rust failed 22% of 2,233 requests, Python 0.1%, limit 1%.
  False alarm: at most 1 in 30,000.
  Nothing urgent. Why it failed: rolloutctl history; runbook rolled-back

Rust  ┊░┊░░┊░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░  0% (was 90)
      1 5  10       25             50                      90   100
public 0% · internal 0% · read back 14:52:00

           Python     Rust    limit    suspicion
requests   124        1,055
errors     0 of 124   21% ✖   1%       ■■■■■┃■■■■■
P50        50 ms      none    100 ms   ·····┃·····
P95        80 ms      none    200 ms   ·····┃·····
P99        100 ms     none    500 ms   ·····┃·····
together                               ■■■■■┃■■■■■ full

14:51  ROLLBACK 90% → 0%: Rust failed 22% of 2,233 requests, Python 0.1%, limit…
14:48  50% → 90%: every limit is proven (1,860 requests in 3 minutes, 3 failed)
14:43  25% → 50%: every limit is proven (934 requests in 3 minutes, none failed)

Last tick 1 min ago · judged up to 14:48 · revision 112 · details: --explain
[exit 20]
$ rolloutctl history
score, times in UTC, newest last
   1  14:00  ada     started: "scorer 2.4, change 1187"
   9  14:00  tick    0% → 1%: first share for 1,203 requests a minute
  20  14:06  tick    1% → 5%: every limit is proven (40 requests in 4 minutes,
                     none failed)
  30  14:11  tick    5% → 10%: every limit is proven (190 requests in 3 minutes,
                     none failed)
  40  14:16  tick    10% → 25%: every limit is proven (331 requests in 3
                     minutes, none failed)
  51  14:22  tick    25% → 10%: Python and Rust both broke P50 within 3 minutes
                     of the step to 25%. Up again after 10 good minutes, after 3
                     if going back did not help
  57  14:24  tick    page: Python breaks a limit, so Rust is not blamed
  68  14:31  tick    resolved: Both sides keep every limit again
  80  14:38  tick    10% → 25%: every limit is proven (1,637 requests in 14
                     minutes, none failed)
  90  14:43  tick    25% → 50%: every limit is proven (934 requests in 3
                     minutes, none failed)
 100  14:48  tick    50% → 90%: every limit is proven (1,860 requests in 3
                     minutes, 3 failed)
 109  14:51  tick    ROLLBACK 90% → 0%: Rust failed 22% of 2,233 requests,
                     Python 0.1%, limit 1%. False alarm: at most 1 in 30,000
