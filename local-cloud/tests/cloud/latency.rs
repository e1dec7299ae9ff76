//! The network between two sockets: what it adds, holds and loses.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use local_cloud::latency::LatencyProxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long silence is listened to. Too short a time would only hide a failure.
const SILENCE: Duration = Duration::from_millis(300);

/// What a server saw of one connection.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Bytes(Vec<u8>),
    End,
}

/// A server that sends everything back in pieces of `piece` bytes, and tells
/// what it saw.
async fn echo(piece: usize) -> io::Result<(SocketAddr, mpsc::UnboundedReceiver<Seen>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; piece];
                while client.read_exact(&mut buffer).await.is_ok() {
                    let _ = sender.send(Seen::Bytes(buffer.clone()));
                    if client.write_all(&buffer).await.is_err() {
                        return;
                    }
                }
                let _ = sender.send(Seen::End);
            });
        }
    });
    Ok((address, seen))
}

async fn ask(client: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
    client.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Whether nothing comes, neither bytes nor an end.
async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(SILENCE, client.read_u8()).await.is_err()
}

#[tokio::test]
async fn an_answer_takes_a_round_trip_and_the_first_one_two() -> io::Result<()> {
    let (server, _seen) = echo(4).await?;
    let round_trip = Duration::from_millis(40);
    let network = LatencyProxy::start(server, round_trip).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    let started = Instant::now();
    assert_eq!(ask(&mut client, b"once").await?, b"once");
    assert!(started.elapsed() >= round_trip * 2, "{:?}", started.elapsed());
    let started = Instant::now();
    assert_eq!(ask(&mut client, b"more").await?, b"more");
    assert!(started.elapsed() >= round_trip, "{:?}", started.elapsed());
    network.set_round_trip(Duration::ZERO);
    // The fastest of many: one alone may meet a busy machine.
    let mut fastest = round_trip;
    for _ in 0..50 {
        let started = Instant::now();
        ask(&mut client, b"fast").await?;
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest < round_trip / 4, "{fastest:?}");
    Ok(())
}

#[tokio::test]
async fn a_millisecond_is_not_rounded_up_to_two() -> io::Result<()> {
    let (server, _seen) = echo(4).await?;
    let round_trip = Duration::from_millis(1);
    let network = LatencyProxy::start(server, round_trip).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    let mut fastest = Duration::MAX;
    for _ in 0..300 {
        let started = Instant::now();
        ask(&mut client, b"tick").await?;
        fastest = fastest.min(started.elapsed());
    }
    assert!((round_trip..round_trip * 2).contains(&fastest), "{fastest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_do_not_wait_for_each_other() -> io::Result<()> {
    const CLIENTS: u32 = 100;
    const TRIPS: u32 = 5;
    let (server, _seen) = echo(8).await?;
    let round_trip = Duration::from_millis(50);
    let network = LatencyProxy::start(server, round_trip).await?;
    let address = network.address();
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(async move {
            let mut client = TcpStream::connect(address).await?;
            for trip in 0..TRIPS {
                let text = (u64::from(number) << 32 | u64::from(trip)).to_be_bytes();
                assert_eq!(ask(&mut client, &text).await?, text, "somebody else's answer");
            }
            io::Result::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("no panic")?;
    }
    let one_after_the_other = round_trip * CLIENTS * TRIPS;
    assert!(started.elapsed() < one_after_the_other / 4, "{:?}", started.elapsed());
    let traffic = network.traffic();
    assert_eq!(traffic.connections, u64::from(CLIENTS));
    assert_eq!(traffic.bytes_up, u64::from(CLIENTS * TRIPS * 8));
    assert_eq!(traffic.bytes_down, traffic.bytes_up);
    assert_eq!(traffic.round_trips, u64::from(CLIENTS * TRIPS));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_does_not_limit_the_bandwidth_and_keeps_the_order() -> io::Result<()> {
    const BYTES: usize = 16 << 20;
    let (server, _seen) = echo(4096).await?;
    let round_trip = Duration::from_millis(40);
    let network = LatencyProxy::start(server, round_trip).await?;
    let client = TcpStream::connect(network.address()).await?;
    let sent: Vec<u8> =
        (0..BYTES / 4).flat_map(|n| u32::try_from(n).unwrap().to_be_bytes()).collect();
    let (mut from, mut to) = client.into_split();
    let started = Instant::now();
    let (written, received) = tokio::join!(
        async {
            to.write_all(&sent).await?;
            to.shutdown().await
        },
        async {
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.map(|_| received)
        }
    );
    written?;
    assert!(received? == sent, "the same bytes in the same order");
    // If each piece of 64 KiB waited for an answer before the next one.
    let pieces = u32::try_from(BYTES >> 16).expect("few");
    assert!(started.elapsed() < round_trip * pieces, "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_is_sent_before_the_answer_belongs_to_the_same_round_trip() -> io::Result<()> {
    // It answers when it has four bytes.
    let (server, _seen) = echo(4).await?;
    let network = LatencyProxy::start(server, Duration::from_millis(5)).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    client.set_nodelay(true)?;
    let mut answer = [0; 4];
    for number in 1..=3 {
        for byte in b"four" {
            client.write_all(&[*byte]).await?;
        }
        client.read_exact(&mut answer).await?;
        assert_eq!(network.traffic().round_trips, number);
    }
    // A farewell is not waited for.
    client.write_all(b"bye").await?;
    client.shutdown().await?;
    assert_eq!(client.read(&mut answer).await?, 0);
    assert_eq!(network.traffic().round_trips, 3);
    Ok(())
}

#[tokio::test]
async fn a_swallowed_connection_is_silent_for_good_and_new_ones_work_again() -> io::Result<()> {
    let (server, mut seen) = echo(4).await?;
    let network = LatencyProxy::start(server, Duration::from_millis(1)).await?;
    let mut before = TcpStream::connect(network.address()).await?;
    ask(&mut before, b"here").await?;
    assert_eq!(seen.recv().await, Some(Seen::Bytes(b"here".to_vec())));

    network.swallow(true);
    let mut during = TcpStream::connect(network.address()).await?;
    for client in [&mut before, &mut during] {
        client.write_all(b"lost").await?;
        assert!(is_silent(client).await, "neither an answer nor an end");
    }

    network.swallow(false);
    assert!(is_silent(&mut before).await && is_silent(&mut during).await);
    let mut after = TcpStream::connect(network.address()).await?;
    assert_eq!(ask(&mut after, b"back").await?, b"back");
    // Switching off what is off does no harm.
    network.swallow(false);
    assert_eq!(ask(&mut after, b"well").await?, b"well");
    // The server did not hear of the lost ones either, not even their end.
    drop((before, during));
    tokio::time::sleep(SILENCE).await;
    assert_eq!(seen.try_recv(), Ok(Seen::Bytes(b"back".to_vec())));
    assert_eq!(seen.try_recv(), Ok(Seen::Bytes(b"well".to_vec())));
    assert_eq!(seen.try_recv(), Err(mpsc::error::TryRecvError::Empty));

    network.lose_connections();
    after.write_all(b"gone").await?;
    assert!(is_silent(&mut after).await);
    let mut next = TcpStream::connect(network.address()).await?;
    assert_eq!(ask(&mut next, b"next").await?, b"next");

    // Without the proxy there is nothing that keeps them open.
    drop(network);
    assert_eq!(seen.recv().await, Some(Seen::Bytes(b"next".to_vec())));
    assert_eq!(seen.recv().await, Some(Seen::End));
    Ok(())
}

#[tokio::test]
async fn a_frozen_network_loses_nothing() -> io::Result<()> {
    let (server, mut seen) = echo(4).await?;
    let network = LatencyProxy::start(server, Duration::from_millis(1)).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    ask(&mut client, b"here").await?;
    seen.recv().await;
    network.freeze();
    client.write_all(b"held").await?;
    let mut new = TcpStream::connect(network.address()).await?;
    new.write_all(b"news").await?;
    assert!(is_silent(&mut client).await && is_silent(&mut new).await);
    assert!(seen.try_recv().is_err(), "nothing reached the server");
    network.resume();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"held");
    new.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"news");
    Ok(())
}

#[tokio::test]
async fn ends_and_refusals_reach_the_other_side() -> io::Result<()> {
    let (server, mut seen) = echo(4).await?;
    let network = LatencyProxy::start(server, Duration::from_millis(1)).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    ask(&mut client, b"here").await?;
    seen.recv().await;
    drop(client);
    assert_eq!(seen.recv().await, Some(Seen::End));

    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let network = LatencyProxy::start(closed, Duration::from_millis(1)).await?;
    let mut client = TcpStream::connect(network.address()).await?;
    assert!(!matches!(client.read(&mut [0]).await, Ok(1..)), "an end or a reset");
    Ok(())
}
