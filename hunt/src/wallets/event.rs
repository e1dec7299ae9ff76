//! Requests as events of a load balancer.

use serde_json::{Value, json};

use super::case::{Ask, Case};
use super::world::{KEY, communities};

/// A request that is spelt as the documentation has it.
pub const PLAIN: usize = 6;

/// The request as one of its callers spells it.
pub fn event(case: &Case, ask: Ask) -> Value {
    let (wallet, community) = match ask {
        Ask::Score { wallet, community } => (wallet, community),
        Ask::Refused(_) => (0, 0),
    };
    let id = communities(case.rules)[community];
    let address = &case.wallets[wallet].address;
    let path = match case.spelling {
        0 => format!("/v2/stamps/{id}/score/{}", address.to_uppercase()),
        1 => format!("/anything/name-{id}/else/{address}"),
        2 => format!("/v2/stamps/0{id}/score/{address}"),
        3 => format!("/v2/stamps/ {id}/score/{}", address.replace("0x", "0X")),
        _ => format!("/v2/stamps/{id}/score/{address}"),
    };
    let mut event = get(&path, KEY);
    match case.spelling {
        4 => event["body"] = json!("{\"odd\": [NaN, 1e400, \"\\u0000\"]}"),
        5 => {
            event["body"] = json!("eyJhIjogWzEsIDIuNTBdfQ==");
            event["isBase64Encoded"] = json!(true);
            event["queryStringParameters"] = json!({"q": "%00", "r": ""});
        }
        _ => {}
    }
    match ask {
        Ask::Refused(400) => event["path"] = json!(format!("{path}0")),
        Ask::Refused(401) => event["headers"]["x-api-key"] = json!(format!("{KEY}x")),
        Ask::Refused(404) => event["path"] = json!(format!("{path}/history")),
        Ask::Refused(_) => event["body"] = json!("{"),
        Ask::Score { .. } => {}
    }
    event
}

/// An event for a GET.
fn get(path: &str, key: &str) -> Value {
    json!({
        "requestContext": {"elb": {"targetGroupArn":
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/t/0"}},
        "httpMethod": "GET", "path": path, "queryStringParameters": {},
        "headers": {"x-api-key": key}, "body": "", "isBase64Encoded": false,
    })
}
