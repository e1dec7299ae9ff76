//! A network between a client and a server: latency, silence, standstill.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use std::time::Duration;
//!
//! use local_cloud::latency::LatencyProxy;
//!
//! let server = "127.0.0.1:5432".parse().expect("an address");
//! let network = LatencyProxy::start(server, Duration::from_millis(1)).await?;
//! println!("clients connect to {}", network.address());
//! network.swallow(true); // and now nobody hears anything any more
//! # Ok(()) }
//! ```
//!
//! Bytes keep their order and are not slowed down: each waits half the round
//! trip on its way, whatever else is on its way. TLS passes through unread.
//!
//! Loopback accepts a connection before the proxy can hold it up, so the round
//! trip of TCP's handshake is added before the first byte. A reset on one side
//! arrives as an end on the other.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

// Tokio's timer rounds up to whole milliseconds, which would double a latency of one.
use async_io::Timer;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Most bytes that travel as one.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction of a connection before the sender has to
/// wait: 4 MiB, as much as Linux gives a socket.
const WINDOW: usize = 256;

/// A running proxy; its connections end when it is dropped.
#[derive(Debug)]
pub struct LatencyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends with the proxy, and all connections with it.
    _accepting: JoinSet<()>,
}

/// What went through a [`LatencyProxy`] since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that clients opened.
    pub connections: u64,
    /// How often a client sent something and then got an answer.
    ///
    /// What it sends before an answer arrives belongs to the same round trip.
    /// So the count is that of a client that waits, if the latency is well
    /// above the time between two sends; TCP's handshake is not in it.
    pub round_trips: u64,
    /// Bytes from clients to the server.
    pub bytes_up: u64,
    /// Bytes from the server to clients.
    pub bytes_down: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: watch::Sender<State>,
    round_trips: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    round_trip: Duration,
    frozen: bool,
    /// Connections accepted; each has the number of those before it.
    accepted: u64,
    /// Connections with a number below this one carry nothing for good.
    lost_below: u64,
}

impl LatencyProxy {
    /// Listens on a loopback port of its own and connects every client to
    /// `upstream`, `round_trip` away (zero or more; precise to some 0.1 ms).
    ///
    /// # Errors
    /// The operating system's, if no port can be had.
    pub async fn start(upstream: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { round_trip, frozen: false, accepted: 0, lost_below: 0 };
        let shared = Arc::new(Shared {
            upstream,
            state: watch::Sender::new(state),
            round_trips: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the latency of bytes that are sent from now on.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.shared.state.send_modify(|state| state.round_trip = round_trip);
    }

    /// While `on`, every connection is lost, open ones and new ones: what either
    /// side sends vanishes, an end too, and nobody hears of it. Off, new
    /// connections work again; a lost one stays lost, since its bytes are gone.
    pub fn swallow(&self, on: bool) {
        self.shared.state.send_modify(|state| match (on, state.lost_below) {
            (true, _) => state.lost_below = u64::MAX,
            (false, u64::MAX) => state.lost_below = state.accepted,
            (false, _) => {}
        });
    }

    /// Loses the connections that are open, as a failover or a forgotten NAT
    /// entry does; new ones work.
    pub fn lose_connections(&self) {
        self.swallow(true);
        self.swallow(false);
    }

    /// Stops everything on its way; nothing gets lost, and new clients wait.
    pub fn freeze(&self) {
        self.shared.state.send_modify(|state| state.frozen = true);
    }

    /// Lets go on what [`freeze`](Self::freeze) stopped.
    pub fn resume(&self) {
        self.shared.state.send_modify(|state| state.frozen = false);
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            connections: self.shared.state.borrow().accepted,
            round_trips: read(&self.shared.round_trips),
            bytes_up: read(&self.shared.bytes_up),
            bytes_down: read(&self.shared.bytes_down),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let line = Line::new(shared.clone());
                    connections.spawn(line.connect(client));
                }
                // No descriptor is free: one of the connections will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection.
struct Line {
    shared: Arc<Shared>,
    number: u64,
    /// The client has sent something since it last got something.
    asked: AtomicBool,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Line {
    fn new(shared: Arc<Shared>) -> Self {
        let mut number = 0;
        shared.state.send_modify(|state| {
            number = state.accepted;
            state.accepted += 1;
        });
        Self { shared, number, asked: AtomicBool::new(false) }
    }

    async fn connect(self, client: TcpStream) -> io::Result<()> {
        Timer::after(self.round_trip()).await;
        self.open().await;
        let server = TcpStream::connect(self.shared.upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            self.carry(from_client, to_server, Direction::Up),
            self.carry(from_server, to_client, Direction::Down),
        )?;
        Ok(())
    }

    /// Carries bytes until the sender's end has arrived too.
    async fn carry(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        direction: Direction,
    ) -> io::Result<()> {
        let (departures, mut arrivals) = mpsc::channel::<(Instant, Bytes)>(WINDOW);
        let depart = async move {
            let mut buffer = BytesMut::new();
            loop {
                buffer.reserve(CHUNK);
                // A reset ends the connection like an end.
                let read = from.read_buf(&mut buffer).await.unwrap_or(0);
                self.open().await;
                self.departs(direction, read);
                let due = Instant::now() + self.round_trip() / 2;
                // It fails when the receiver is gone, and then `arrive` has said so.
                if departures.send((due, buffer.split().freeze())).await.is_err() || read == 0 {
                    return Ok(());
                }
            }
        };
        let arrive = async {
            while let Some((due, bytes)) = arrivals.recv().await {
                Timer::at(due).await;
                self.open().await;
                if bytes.is_empty() {
                    return to.shutdown().await;
                }
                self.arrives(direction);
                to.write_all(&bytes).await?;
            }
            Ok(())
        };
        tokio::try_join!(depart, arrive).map(|_: ((), ())| ())
    }

    fn departs(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Up => &self.shared.bytes_up,
            Direction::Down => &self.shared.bytes_down,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        if matches!(direction, Direction::Up) && bytes > 0 {
            self.asked.store(true, Ordering::Relaxed);
        }
    }

    /// Called before the receiver can see the bytes and react.
    fn arrives(&self, direction: Direction) {
        if matches!(direction, Direction::Down) && self.asked.swap(false, Ordering::Relaxed) {
            self.shared.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn round_trip(&self) -> Duration {
        self.shared.state.borrow().round_trip
    }

    /// Waits until bytes can pass; for good on a lost connection, whose sockets
    /// stay open so that neither side learns of it.
    async fn open(&self) {
        let mut state = self.shared.state.subscribe();
        let passable = |state: &State| !state.frozen && self.number >= state.lost_below;
        // The sender lives in `self`, so waiting cannot fail.
        let _ = state.wait_for(passable).await;
    }
}
