//! `status --watch`: one screen that is drawn again in place, with keys; in a pipe one
//! line for each change.

use super::look::{json, text};
use super::remote::{Place, Remote, give, statuses};
use super::{look, operate, terminal};
use crate::api::{NO_ANSWER, Status, worst};
use crate::domain::explain::health as words;
use crate::report::screen::{Style, paint, told};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use jiff::Timestamp;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How it is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Time between two looks.
    pub(super) every: Duration,
    /// Watch no longer than this.
    pub(super) timeout: Option<Duration>,
    /// Also the details.
    pub(super) explain: bool,
    /// JSON, one object a look.
    pub(super) json: bool,
    /// Whether there is a terminal to draw on and to read keys from.
    pub(super) draws: bool,
}

/// Exit code at the end of `--timeout`, as `timeout(1)` has it.
const TIMED_OUT: u8 = 124;

/// Watches until every run has ended.
///
/// # Errors
/// If the terminal fails.
pub(super) async fn watch(place: &Place, wish: Wish) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    if wish.draws && !wish.json {
        return draw(place, wish, began).await;
    }
    let mut seen = Vec::new();
    loop {
        match statuses(place).await {
            Ok(rollouts) if wish.json => {
                super::out(&json(&rollouts)?)?;
                if ended(&rollouts) {
                    return Ok(ExitCode::from(worst(&rollouts)));
                }
            }
            Ok(rollouts) => {
                for line in news(&rollouts, &mut seen) {
                    terminal::print(&line)?;
                }
                if ended(&rollouts) {
                    return Ok(ExitCode::from(worst(&rollouts)));
                }
            }
            Err(error) => eprintln!("error: {error:#}"),
        }
        if is_over(wish, began) {
            return Ok(ExitCode::from(TIMED_OUT));
        }
        tokio::time::sleep(wish.every).await;
    }
}

fn is_over(wish: Wish, began: Instant) -> bool {
    wish.timeout.is_some_and(|timeout| timeout.saturating_sub(began.elapsed()) <= wish.every)
}

/// Nothing changes by itself any more, and something ran.
fn ended(rollouts: &[Status]) -> bool {
    rollouts.iter().all(|status| status.ended)
}

/// Lines that were not printed yet: a headline whose beginning changed, and changes.
fn news(rollouts: &[Status], seen: &mut Vec<(String, i64, String)>) -> Vec<String> {
    let mut lines = Vec::new();
    for status in rollouts {
        let known = seen.iter().position(|(name, ..)| *name == status.rollout);
        let at = known.unwrap_or_else(|| {
            seen.push((status.rollout.clone(), i64::MIN, String::new()));
            seen.len() - 1
        });
        let (_, revision, health) = &mut seen[at];
        let first = *revision == i64::MIN;
        for change in status.changes.iter().filter(|change| !first && change.revision > *revision) {
            let time = change.at.strftime("%H:%M");
            lines.push(format!("{time}  {}: {}\n", status.rollout, told(change)));
        }
        let newest = status.changes.iter().map(|change| change.revision).max();
        *revision = newest.unwrap_or(0).max(*revision).max(0);
        let now = format!("{:?}{}", status.health, status.reason.code);
        if *health != now {
            *health = now;
            let sign = words::sign(status.health);
            let time = status.now.strftime("%H:%M");
            lines.push(format!("{time}  {}: {sign} {}\n", status.rollout, status.headline));
        }
    }
    lines
}

// --------------------------------------------------------------- on a terminal

/// The terminal as it was is given back however this ends.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Quit,
    Explain,
    Pause,
    Resume,
    RollBack,
    History,
    /// The terminal has another size.
    Redraw,
}

async fn draw(place: &Place, wish: Wish, began: Instant) -> anyhow::Result<ExitCode> {
    let mut explain = wish.explain;
    let mut last: Option<(Vec<Status>, Timestamp)> = None;
    let mut raw = Some(Raw::enter()?);
    let code = loop {
        let (error, code) = match statuses(place).await {
            Ok(rollouts) => {
                let code = worst(&rollouts);
                last = Some((rollouts, Timestamp::now()));
                (None, code)
            }
            Err(error) => (Some(format!("{error:#}")), NO_ANSWER),
        };
        paint_screen(last.as_ref(), error.as_deref(), explain)?;
        if last.as_ref().is_some_and(|(rollouts, _)| error.is_none() && ended(rollouts)) {
            break code;
        }
        if is_over(wish, began) {
            break TIMED_OUT;
        }
        let until = Instant::now() + wish.every;
        loop {
            match key_until(until).await? {
                None => break,
                Some(Key::Quit) => {
                    drop(raw.take());
                    return Ok(ExitCode::from(code));
                }
                Some(Key::Explain) => explain = !explain,
                Some(Key::Redraw) => {}
                Some(key) => {
                    drop(raw.take());
                    act(place, key)?;
                    raw = Some(Raw::enter()?);
                    break;
                }
            }
            paint_screen(last.as_ref(), error.as_deref(), explain)?;
        }
    };
    drop(raw.take());
    // What was seen last stays on the terminal.
    if let Some((rollouts, _)) = &last {
        terminal::print(&text(rollouts, &terminal::screen(explain)))?;
    }
    Ok(ExitCode::from(code))
}

/// Waits for a key, at most until then.
async fn key_until(until: Instant) -> anyhow::Result<Option<Key>> {
    let left = until.saturating_duration_since(Instant::now());
    let waited = tokio::task::spawn_blocking(move || -> io::Result<Option<Key>> {
        if left.is_zero() || !event::poll(left)? {
            return Ok(None);
        }
        Ok(key_of(&event::read()?))
    });
    match waited.await?? {
        Some(key) => Ok(Some(key)),
        // Time is over, or a key that means nothing.
        None if Instant::now() < until => Ok(Some(Key::Redraw)),
        None => Ok(None),
    }
}

fn key_of(event: &Event) -> Option<Key> {
    match event {
        Event::Resize(..) => Some(Key::Redraw),
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
            KeyCode::Char('e') => Some(Key::Explain),
            KeyCode::Char('p') => Some(Key::Pause),
            KeyCode::Char('r') => Some(Key::Resume),
            KeyCode::Char('B') => Some(Key::RollBack),
            KeyCode::Char('h') => Some(Key::History),
            _ => None,
        },
        _ => None,
    }
}

const KEYS: &str = "p pause  r resume  B roll back  h history  e explain  q quit";

fn paint_screen(
    last: Option<&(Vec<Status>, Timestamp)>,
    error: Option<&str>,
    explain: bool,
) -> anyhow::Result<()> {
    let mut screen = terminal::screen(explain);
    // The last line is for the keys.
    screen.rows = screen.rows.map(|rows| rows.saturating_sub(1));
    let mut shown = match (last, error) {
        (None, None) => String::new(),
        (None, Some(error)) => format!("? Unknown. No answer yet ({error}).\n"),
        (Some((rollouts, _)), None) => text(rollouts, &screen),
        (Some((rollouts, at)), Some(error)) => {
            let at = at.strftime("%H:%M:%S UTC");
            let head = paint(Style::Unknown, &format!("? Unknown. No answer since {at}."));
            format!("{head}\n  {error}\n  What was seen then:\n\n{}", text(rollouts, &screen))
        }
    };
    shown.push_str(&paint(Style::Soft, KEYS));
    let title = match last {
        Some((rollouts, _)) if error.is_none() => rollouts
            .iter()
            .map(|status| {
                let share =
                    status.share.journal.map_or("?".to_owned(), |share| format!("{share}%"));
                format!("{} {} {share}", words::sign(status.health), status.rollout)
            })
            .collect::<Vec<_>>()
            .join(" · "),
        Some(_) | None => "? rolloutctl".to_owned(),
    };
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    let mut raw = io::stdout();
    queue!(raw, BeginSynchronizedUpdate, SetTitle(title), cursor::MoveTo(0, 0))?;
    let most = screen.rows.map_or(usize::MAX, |rows| rows + 1);
    let lines: Vec<&str> = shown.lines().collect();
    // The keys stay in sight where the rest does not fit.
    let cut = lines.len().saturating_sub(most);
    let keys = lines.len().saturating_sub(1);
    for (number, line) in lines.iter().enumerate() {
        if number < keys && number >= keys - cut {
            continue;
        }
        out.write_all(line.as_bytes())?;
        out.flush()?;
        queue!(raw, Clear(ClearType::UntilNewLine))?;
        if number < keys {
            queue!(raw, cursor::MoveToNextLine(1))?;
        }
    }
    queue!(raw, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
    raw.flush()?;
    Ok(())
}

/// Asks for a reason, then for a yes, as the command itself would: nothing acts on one
/// key.
fn act(place: &Place, key: Key) -> anyhow::Result<()> {
    let remote = Remote {
        rollout: place.rollout.clone(),
        command_function: Some(place.command.clone()),
        view_function: Some(place.view.clone()),
        json: false,
    };
    let ask = |verb: &str| -> io::Result<String> {
        eprint!("{verb}, reason (empty: not now): ");
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    };
    let order = match key {
        Key::Pause => ("Pause", operate::pause()),
        Key::Resume => ("Resume", operate::resume()),
        Key::RollBack => ("Roll back", crate::domain::command::Order::Rollback),
        Key::History => {
            let args = look::History::of(remote);
            std::thread::scope(|scope| scope.spawn(|| look::run_history(&args)).join())
                .map_err(|_| anyhow::anyhow!("reading the history ended in a panic"))??;
            return wait_for_enter();
        }
        Key::Quit | Key::Explain | Key::Redraw => return Ok(()),
    };
    let (verb, order) = order;
    let reason = ask(verb)?;
    if reason.is_empty() {
        return Ok(());
    }
    let giving = super::remote::Giving { reason, yes: false, dry_run: false, if_revision: None };
    // A runtime of its own: this one is busy with the screen.
    let done = std::thread::scope(|scope| scope.spawn(|| give(&remote, &giving, order)).join());
    match done {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => eprintln!("✖ {error:#}"),
        Err(_) => eprintln!("✖ the command ended in a panic; look at the status"),
    }
    wait_for_enter()
}

fn wait_for_enter() -> anyhow::Result<()> {
    eprint!("Enter goes back. ");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(())
}
