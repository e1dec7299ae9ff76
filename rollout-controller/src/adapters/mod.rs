//! The ports as they ship: AWS through its SDK, SQL through sqlx.
//!
//! Foreign types stay below this module. What an adapter cannot do is an error
//! of its port, with the foreign cause boxed.
//!
//! | module | port | speaks to |
//! |---|---|---|
//! | [`alb`] | [`Traffic`](crate::ports::Traffic) | ELBv2: DescribeRules, ModifyRule |
//! | [`cloudwatch`] | [`Metrics`](crate::ports::Metrics), [`Alarms`](crate::ports::Alarms) | GetMetricData, DescribeAlarms |
//! | [`deployments`] | [`Deployments`](crate::ports::Deployments) | DescribeTargetHealth, GetAlias, GetFunctionConfiguration |
//! | [`endpoints`] | [`Endpoints`](crate::ports::Endpoints) | one small question to each service |
//! | [`ledger`] | [`Ledger`](crate::ports::Ledger) | PostgreSQL or SQLite |
//! | [`logs`] | [`AnswersLog`](crate::ports::AnswersLog) | CloudWatch Logs: FilterLogEvents |
//! | [`messages`] | [`Messages`](crate::ports::Messages) | SNS topics of PagerDuty and of the chat, an event bus |
//! | [`ssm`] | [`Outposts`](crate::ports::Outposts) | GetParameters, PutParameter |
//! | [`clock`] | [`Clock`](crate::ports::Clock) | the computer's clock, or a stand-in's |
//! | [`invoke`] | none: the operators' CLI | Lambda Invoke, STS GetCallerIdentity |
//! | [`wire`] | all of them | puts them together from the configuration |

pub mod alb;
pub mod aws;
pub mod clock;
pub mod cloudwatch;
pub mod deployments;
pub mod endpoints;
pub mod invoke;
pub mod ledger;
pub mod logs;
pub mod messages;
pub mod ssm;
pub mod wire;
