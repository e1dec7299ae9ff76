//! The foreign servers start side by side, answer their services and go away.

use std::error::Error;

use local_cloud::foreign::{Ministack, Moto};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A form post, as the AWS query protocol has it; the whole answer.
async fn query(url: &str, service: &str, form: &str) -> std::io::Result<String> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn moto_and_ministack_answer_until_they_are_dropped() -> Result<(), Box<dyn Error>> {
    let (moto, ministack) = tokio::join!(Moto::start(), Ministack::start());
    let (moto, ministack) = (moto?, ministack?);

    let form = "Action=DescribeRules&Version=2015-12-01\
                &RuleArns.member.1=arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/a/b/c/d";
    let rules = query(&moto.url(), "elasticloadbalancing", form).await?;
    assert!(rules.contains("RuleNotFound"), "{rules}");

    let form = "Action=CreateTopic&Version=2010-03-31&Name=pages";
    let topic = query(&ministack.url(), "sns", form).await?;
    assert!(topic.contains("arn:aws:sns:eu-west-1:000000000000:pages"), "{topic}");

    for url in [moto.url(), ministack.url()] {
        let address = url.trim_start_matches("http://").to_owned();
        assert!(TcpStream::connect(&address).await.is_ok());
    }
    let addresses = [moto.url(), ministack.url()].map(|url| url.replace("http://", ""));
    drop((moto, ministack));
    for address in addresses {
        assert!(TcpStream::connect(&address).await.is_err(), "{address} still answers");
    }
    Ok(())
}
