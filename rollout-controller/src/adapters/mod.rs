//! The ports as they ship: AWS through its SDK, SQL through sqlx.
//!
//! Foreign types stay below this module. What an adapter cannot do is an error
//! of its port, with the foreign cause boxed.
//!
//! | module | port | speaks to |
//! |---|---|---|
//! | [`alb`] | [`Traffic`](crate::ports::Traffic) | ELBv2: DescribeRules, ModifyRule |
//! | [`cloudwatch`] | [`Metrics`](crate::ports::Metrics), [`Alarms`](crate::ports::Alarms) | GetMetricData, DescribeAlarms |
//! | [`ledger`] | [`Ledger`](crate::ports::Ledger) | PostgreSQL or SQLite |
//! | [`sns`] | [`Pager`](crate::ports::Pager) | SNS topics of PagerDuty and of the chat |
//! | [`eventbridge`] | [`Announcer`](crate::ports::Announcer) | an event bus |
//! | [`invoke`] | none: the operators' CLI | Lambda Invoke, STS GetCallerIdentity |
//! | [`wire`] | all of them | puts them together from the configuration |

pub mod alb;
pub mod aws;
pub mod cloudwatch;
pub mod eventbridge;
pub mod invoke;
pub mod ledger;
pub mod sns;
pub mod wire;
