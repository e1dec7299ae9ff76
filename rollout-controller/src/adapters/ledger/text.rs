//! Values written into a statement's text.

use super::address::Backend;

/// A value of a statement.
#[derive(Clone, Copy)]
pub(super) enum Bind<'a> {
    Int(i64),
    Text(&'a str),
}

/// The statement with `$1`, `$2`, … replaced by these values. `None` if one cannot be
/// written: PostgreSQL has no text with a zero byte.
///
/// The statements are constants of this crate without dollar signs of their own;
/// the values are anybody's. A value is never looked at again once it is in.
pub(super) fn written(backend: Backend, sql: &str, binds: &[Bind<'_>]) -> Option<String> {
    let mut pieces = sql.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        match binds.get(index)? {
            // In brackets: a minus sign beside another would begin a comment.
            Bind::Int(value) => text.push_str(&format!("({value})")),
            Bind::Text(value) if value.contains('\0') => return None,
            Bind::Text(value) => push_quoted(&mut text, backend, value),
        }
        text.push_str(rest);
    }
    Some(text)
}

fn push_quoted(text: &mut String, backend: Backend, value: &str) {
    match backend {
        // SQLite knows no escapes but the doubled quote.
        Backend::Sqlite => {
            text.push('\'');
            text.push_str(&value.replace('\'', "''"));
            text.push('\'');
        }
        // Nothing inside dollar quotes is special but their own end. What a backslash
        // means between single quotes depends on a setting of the server.
        Backend::Postgres => {
            let mut number = 0;
            let tag = loop {
                let open = format!("$v{number}");
                if !value.contains(&open) {
                    break format!("{open}$");
                }
                number += 1;
            };
            for piece in [&*tag, value, &*tag] {
                text.push_str(piece);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_own_quotes() {
        let sql = "SELECT $1, $2 WHERE x = -$3";
        let binds = [Bind::Text("it's $2 $v0$"), Bind::Text("$v1"), Bind::Int(-7)];
        let text = |backend| written(backend, sql, &binds).expect("all can be written");
        assert_eq!(text(Backend::Sqlite), "SELECT 'it''s $2 $v0$', '$v1' WHERE x = -(-7)");
        assert_eq!(
            text(Backend::Postgres),
            "SELECT $v1$it's $2 $v0$$v1$, $v0$$v1$v0$ WHERE x = -(-7)"
        );
        assert_eq!(written(Backend::Postgres, "SELECT $1", &[Bind::Text("a\0")]), None);
        assert_eq!(written(Backend::Sqlite, "SELECT $2", &[Bind::Int(1)]), None);
    }
}
