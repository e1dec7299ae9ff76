# A team that does not trust it yet: everything is decided, nothing is moved.
---
seed = 5
start = "2026-11-24T08:00:00Z"
shadow = true
routes = ["public"]
---
$ traffic-alone 60
$ rolloutctl start --reason "watch it for a day" --yes
✔ applied: score: run 1 started; shadow: it decides and reports, and moves nothing
  public shows 0 %
  starting at revision 4
$ minutes 3
09:00  [starting] score: hold at 0 %: no minute of this stage has been judged yet

# A person moves the weight; the shadow follows, and says what it would do.
$ console public 5%
$ minutes 20
09:03  [advancing] score: hold at 0 %: no minute of this stage has been judged yet
09:09  [advancing] score: 5 % → 10 %: every limit is proven (121 requests in 4 minutes, none failed)
$ pages
INFO    started: score: run 1 started in shadow mode; nothing is moved
$ rolloutctl promote --reason "go on" --yes
✖ refused: score: a shadow run moves nothing; `activate` it first
  public shows 5 %
  advancing at revision 30
[exit 40]

# It is trusted: from now on it acts.
$ rolloutctl activate --reason "it agreed with us all day" --yes
✔ applied: score: active from now on, at 5 %
  public shows 5 %
  advancing at revision 32
$ until 10%
09:23  [advancing] score: 5 % → 10 %: every limit is proven (554 requests in 18 minutes, 1 failed)
$ rolloutctl history
     1  2026-11-24 09:00 UTC  rollout 1 started in shadow mode by arn:aws:sts::111122223333:assumed-role/oncall/ada: watch it for a day; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     5  2026-11-24 09:00 UTC  history of 58 minutes read, 598 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 1 h)
     7  2026-11-24 09:00 UTC  the code was seen: public runs rust version 1 beside python version 1
    10  2026-11-24 09:03 UTC  shadow: the rules show 5 % now
    31  2026-11-24 09:23 UTC  made active by arn:aws:sts::111122223333:assumed-role/oncall/ada: it agreed with us all day
    34  2026-11-24 09:23 UTC  5 % → 10 % intended: every limit is proven (554 requests in 18 minutes, 1 failed)
    35  2026-11-24 09:23 UTC  5 % → 10 % applied on every route, read back
