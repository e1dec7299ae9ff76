# A team that does not trust it yet: everything is decided, nothing is moved.
---
seed = 5
start = "2026-11-24T08:00:00Z"
shadow = true
routes = ["public"]
---
$ traffic-alone 60
$ rolloutctl start --reason "watch it for a day" --yes
✔ Run 1 started. Shadow: it decides and reports, and moves nothing.
  public 0% · read back 09:00:00 UTC · revision 4
  Follow it: rolloutctl status --watch
$ minutes 3
09:00  [starting] score: Holding at 0%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.

# A person moves the weight; the shadow follows, and says what it would do.
$ console public 5%
$ minutes 20
09:03  [advancing] score: Holding at 0%: First minutes at this share are not in yet; metrics arrive about 2 minutes late.
09:09  [advancing] score: 5% → 10%: every limit is proven (121 requests in 4 minutes, none failed).
$ pages
INFO    started: score: run 1 started by ada
$ rolloutctl promote --reason "go on" --yes
✖ Not promoted: this run is in shadow. First: rolloutctl activate --reason "…"
  public 5% · read back 09:23:00 UTC · revision 30
[exit 40]

# It is trusted: from now on it acts.
$ rolloutctl activate --reason "it agreed with us all day" --yes
✔ Active from now on, at 5%.
  public 5% · read back 09:23:00 UTC · revision 32
$ until 10%
09:23  [advancing] score: 5% → 10%: every limit is proven (554 requests in 18 minutes, 1 failed).
$ rolloutctl history
score, times in UTC, newest last
   1  09:00  ada     started in shadow, nothing is moved: "watch it for a day"
  10  09:03  tick    shadow: the rules show 5% now
  31  09:23  ada     made it active: "it agreed with us all day"
  35  09:23  tick    5% → 10%: every limit is proven (554 requests in 18 minutes, 1 failed)
