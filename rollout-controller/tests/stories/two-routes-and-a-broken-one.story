# Two listener rules move together; one of them does not take the rollback.
---
seed = 9
start = "2026-11-24T08:00:00Z"
routes = ["public", "internal"]
---
$ traffic-alone 60
$ rolloutctl start --reason "scorer 2.4" --yes
✔ applied: score: run 1 started; it reads the old side's history, then takes the first stage
  public shows 0 %
  internal shows 0 %
  starting at revision 4
$ next-write commits-then-fails
$ until 5%
09:00  [advancing] score: start at 1 %: the largest first stage that is safe at 1,194 requests a minute
09:01  [advancing] score: hold at 1 %: no minute of this stage has been judged yet
09:06  [advancing] score: 1 % → 5 %: every limit is proven (53 requests in 4 minutes, none failed)
$ route public dead
$ rolloutctl rollback --reason "users see errors" --dry-run
• nothing is done yet, this would be: score: rolled back: every route at 0 % (public: 5 % → 0 %, internal: 5 % → 0 %)
  public shows 5 %
  internal shows 5 %
  advancing at revision 23
$ rolloutctl rollback --reason "users see errors" --yes
✖ incomplete: score: incomplete: journalled, and not every route shows 0 % (public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500); the controller tries again every minute, or `rolloutctl rollback --direct`
  public shows 5 %
  internal shows 0 %
  rolling back at revision 30
[exit 42]
$ minutes 2
09:07  [rolling back] score: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors. Not every route is reached: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500
$ rolloutctl status
Health:      ✖ Hurting. Rollback incomplete: public shows 5 %.
Next:        rolloutctl rollback --direct --config rollout.toml --reason "…"
Name:        score (run 1, active)
Phase:       rolling back
Why:         rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
Stage:       2/7
  Journal:   5 % on Rust
  public:    5 % shown by the rule
  internal:  0 % shown by the rule
Against:     odds 1:0.9 (ln E -0.09, rollback at 4.61), led by rel_p99
For:         ◌ err 4.5/4.6  ✔ p50 32.4/4.6  ✔ p95 30.6/4.6  ◌ p99 4.5/4.6 after 5 minutes, up to 2026-11-24T09:05Z
Page:        ⚠ rollback-incomplete since 2026-11-24 09:07 UTC
Normal here: Latency counts as worse from 1.6 times Python's (auto, from 1 h)
Code:        public: rust version 1 beside python version 1
Code:        internal: rust version 1 beside python version 1
Revision:    36

          old                        new                        limit
requests  6,921                      75
errors    0.09 % [0.01 %, 0.3 %]     0.0 % [0.0 %, 7.4 %]       1 %
P50       50 ms [40, 50]             20 ms [16, 25]             100 ms
P95       80 ms [63, 100]            40 ms [25, …]              200 ms
P99       125 ms [80, 125]           50 ms [31.5, …]            500 ms

    20  2026-11-24 09:06 UTC  1 % → 5 % applied on every route, read back
    24  2026-11-24 09:07 UTC  rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    25  2026-11-24 09:07 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    26  2026-11-24 09:07 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
    32  2026-11-24 09:07 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    33  2026-11-24 09:07 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
    35  2026-11-24 09:08 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    36  2026-11-24 09:08 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
[exit 42]
$ pages
INFO    started: score: run 1 started
INFO    stage-reached: score: 0 % → 1 % on Rust
INFO    stage-reached: score: 1 % → 5 % on Rust
TRIGGER rollback-incomplete: score: ROLLBACK INCOMPLETE
$ route public alive
$ minutes 1
09:09  [rolled back] score: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
$ pages
CLEAR   rollback-incomplete: score: ROLLBACK INCOMPLETE
INFO    rolled-back: score: rolled back, 5 % → 0 % on Rust
$ rolloutctl rollback --reason "users see errors" --yes
✔ already so: score: rolled back already: every rule gives Rust 0 %
  public shows 0 %
  internal shows 0 %
  rolled back at revision 43

# A late writer raises it once more: it is undone first, and paged second.
$ console internal 5%
$ minutes 2
09:11  [rolled back] score: hold at 0 %: the run does not go on
$ pages
TRIGGER moved-by-someone-else: score: a weight was moved by someone else
CLEAR   moved-by-someone-else: score: a weight was moved by someone else
$ rolloutctl history
     1  2026-11-24 09:00 UTC  rollout 1 started by arn:aws:sts::111122223333:assumed-role/oncall/ada: scorer 2.4; stages 1 %, 5 %, 10 %, 25 %, 50 %, 100 %
     5  2026-11-24 09:00 UTC  history of 58 minutes read, 1,194 requests a minute; first stage 1 %; Latency counts as worse from 1.6 times Python's (auto, from 1 h)
     7  2026-11-24 09:00 UTC  the code was seen: public runs rust version 1 beside python version 1; internal runs rust version 1 beside python version 1
     8  2026-11-24 09:00 UTC  0 % → 1 % intended: start at 1 %: the largest first stage that is safe at 1,194 requests a minute
     9  2026-11-24 09:00 UTC  0 % → 1 % applied on every route, read back
    19  2026-11-24 09:06 UTC  1 % → 5 % intended: every limit is proven (53 requests in 4 minutes, none failed)
    20  2026-11-24 09:06 UTC  1 % → 5 % applied on every route, read back
    24  2026-11-24 09:07 UTC  rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    25  2026-11-24 09:07 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    26  2026-11-24 09:07 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
    27  2026-11-24 09:07 UTC  page rollback-incomplete: Trying again every minute. public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500
    32  2026-11-24 09:07 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    33  2026-11-24 09:07 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
    35  2026-11-24 09:08 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    36  2026-11-24 09:08 UTC  5 % → 0 % did not happen: public writing weights of listener rule arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/0: 500; internal shows 0 %
    38  2026-11-24 09:09 UTC  5 % → 0 % intended: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    39  2026-11-24 09:09 UTC  5 % → 0 % applied on every route, read back
    40  2026-11-24 09:09 UTC  ended, rolled back: rollback ordered by arn:aws:sts::111122223333:assumed-role/oncall/ada: users see errors
    44  2026-11-24 09:10 UTC  page moved-by-someone-else: After the rollback internal shows 5 %; only a new start gives Rust traffic.
    46  2026-11-24 09:10 UTC  0 % → 0 % intended: a weight was raised within 15 minutes after a rollback; put back to 0 %: public shows 0 %; internal shows 5 %
    47  2026-11-24 09:10 UTC  0 % → 0 % applied on every route, read back
    51  2026-11-24 09:11 UTC  page moved-by-someone-else cleared: Every rule shows what the journal says again.
