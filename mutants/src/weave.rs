//! Puts every mutant of a file into its text, each behind its switch.
//!
//! An expression becomes a choice between what it was and what its mutants make of it. Only
//! the former has switches inside: one mutant is on at a time, so the text stays short.

use crate::list::{Genre, Mutant, Place};
use anyhow::{Context as _, Result};
use proc_macro2::Span;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// What asks for a switch, in the crate that has the mutants: `MUTANT` is the number of the one
/// that is on, and `MUTANT_REACHED` a file that gets a 1 at the place of each number that was
/// asked for.
pub const SWITCHES: &str = r#"
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const UNREAD: u32 = u32::MAX;
const NOTING: u32 = u32::MAX - 1;

/// Which mutant is on; 0 for none.
static ON: AtomicU32 = AtomicU32::new(UNREAD);
static REACHED: OnceLock<File> = OnceLock::new();
static NOTED: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];

#[inline(always)]
pub fn on(id: u32) -> bool {
    let on = ON.load(Ordering::Relaxed);
    on == id || (on >= NOTING && ask(on, id))
}

#[cold]
fn ask(on: u32, id: u32) -> bool {
    let on = if on == UNREAD { read() } else { on };
    if on == NOTING && !NOTED[id as usize].swap(true, Ordering::Relaxed) {
        REACHED.get().unwrap().write_all_at(&[1], u64::from(id)).unwrap();
    }
    on == id
}

fn read() -> u32 {
    let on = match std::env::var_os("MUTANT_REACHED") {
        Some(path) => {
            // A test may start programs, which write to the same file.
            let open = || File::options().create(true).write(true).open(path).unwrap();
            REACHED.get_or_init(open);
            NOTING
        }
        None => std::env::var("MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0),
    };
    ON.store(on, Ordering::Relaxed);
    on
}
"#;

/// Mutants, and where in a file each is, in bytes: what a compiler finds wrong there is wrong
/// with that mutant.
pub type Places = Vec<(u32, Range<usize>)>;

/// A file with its mutants.
#[derive(Debug)]
pub struct Woven {
    /// Its text.
    pub text: String,
    /// Where in it each mutant is.
    pub places: Places,
    /// Mutants that are no Rust: `||` beside `let`, or a match without one of its arms.
    pub refused: BTreeSet<u32>,
    /// Mutants that cannot be switched: of what is computed when the code is built, and of
    /// functions that return an `impl Trait`. So are those of conditions of planted defects, and
    /// of what only runs with one.
    pub left_out: BTreeSet<u32>,
}

/// Weaves the mutants of one file, which are `cargo mutants`' of this very text. No switch can
/// be asked for while the code is built, so functions stop being `const`, but for those
/// that are called then (`called_in_const`).
///
/// # Errors
/// If the text is no Rust.
pub fn weave(text: &str, mutants: &[&Mutant], called_in_const: &BTreeSet<String>) -> Result<Woven> {
    let file = syn::parse_file(text).context("no Rust")?;
    let mut finder = Finder {
        text,
        mutants,
        called_in_const,
        changes: Vec::new(),
        is_const: false,
        found: BTreeSet::new(),
        refused: BTreeSet::new(),
    };
    finder.visit_file(&file);
    let Finder { mut changes, found, refused, .. } = finder;
    // What begins first and reaches farthest is outermost.
    changes.sort_by_key(|change| (change.range.start, usize::MAX - change.range.end));
    let mut writer = Writer { text, out: String::new(), places: Vec::new() };
    writer.write(0..text.len(), &changes);
    let all = mutants.iter().map(|mutant| mutant.id);
    let left_out = all.filter(|id| !found.contains(id) && !refused.contains(id)).collect();
    Ok(Woven { text: writer.out, places: writer.places, refused, left_out })
}

/// A place of the text that mutants change.
struct Change {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    /// An expression, and what it may be instead.
    Choice(Vec<(u32, String)>),
    /// Goes in before the range, which is empty.
    Insert(u32, String),
    /// Goes.
    Leave,
}

struct Finder<'a> {
    text: &'a str,
    mutants: &'a [&'a Mutant],
    called_in_const: &'a BTreeSet<String>,
    changes: Vec<Change>,
    is_const: bool,
    found: BTreeSet<u32>,
    refused: BTreeSet<u32>,
}

impl<'a> Finder<'a> {
    /// The mutants of a kind that begin here.
    fn at(&self, span: Span, genre: Genre) -> Vec<&'a Mutant> {
        if self.is_const {
            return Vec::new();
        }
        let start = span.start();
        let place = Place { line: start.line, column: start.column + 1 };
        let here = |mutant: &&&Mutant| mutant.genre == genre && mutant.span.start == place;
        self.mutants.iter().filter(here).copied().collect()
    }

    fn choose(&mut self, range: Range<usize>, among: Vec<(u32, String)>) {
        if among.is_empty() {
            return;
        }
        self.found.extend(among.iter().map(|(id, _)| *id));
        self.changes.push(Change { range, kind: Kind::Choice(among) });
    }

    fn insert(&mut self, at: usize, id: u32, text: String) {
        self.found.insert(id);
        self.changes.push(Change { range: at..at, kind: Kind::Insert(id, text) });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        // Every end of such a function has one type, which a mutant's is not.
        if let syn::ReturnType::Type(_, returned) = &signature.output
            && matches!(**returned, syn::Type::ImplTrait(_))
        {
            return;
        }
        let Some(first) = block.stmts.first() else { return };
        let open = block.brace_token.span.open().byte_range().end;
        for mutant in self.at(first.span(), Genre::FnValue) {
            let id = mutant.id;
            let returns =
                format!(" if crate::mutant::on({id}) {{ return {}; }} ", mutant.replacement);
            self.insert(open, id, returns);
        }
    }

    fn within_const(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_const, true);
        visit(self);
        self.is_const = before;
    }

    fn signed(&mut self, signature: &syn::Signature, visit: impl FnOnce(&mut Self)) {
        let Some(word) = &signature.constness else { return visit(self) };
        if self.called_in_const.contains(&signature.ident.to_string()) {
            return self.within_const(visit);
        }
        self.changes.push(Change { range: word.span.byte_range(), kind: Kind::Leave });
        visit(self);
    }
}

/// Whether `let` is among what `&&` connects: that is no expression by itself.
fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(both) if matches!(both.op, syn::BinOp::And(_)) => {
            has_let(&both.left) || has_let(&both.right)
        }
        _ => false,
    }
}

/// Whether it asks for a planted defect: no deployed build does.
fn is_planted(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Unary(unary) => is_planted(&unary.expr),
        syn::Expr::Macro(called) => called.mac.path.is_ident("planted"),
        _ => false,
    }
}

/// Whether it is true only with a planted defect.
fn needs_planted(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Binary(both) if matches!(both.op, syn::BinOp::And(_)) => {
            needs_planted(&both.left) || needs_planted(&both.right)
        }
        syn::Expr::Macro(_) => is_planted(expression),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.signed(&item.sig, |finder| {
            finder.function(&item.sig, &item.block);
            visit::visit_item_fn(finder, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.signed(&item.sig, |finder| {
            finder.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(finder, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.within_const(|finder| visit::visit_item_const(finder, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.within_const(|finder| visit::visit_impl_item_const(finder, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.within_const(|finder| visit::visit_item_static(finder, item));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.within_const(|finder| visit::visit_expr_const(finder, block));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.within_const(|finder| visit::visit_type_array(finder, array));
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
        self.within_const(|finder| finder.visit_expr(&repeat.len));
    }

    fn visit_expr_binary(&mut self, both: &'ast syn::ExprBinary) {
        let whole = both.span().byte_range();
        let op = both.op.span().byte_range();
        let here = self.at(both.op.span(), Genre::BinaryOperator);
        if has_let(&both.left) || has_let(&both.right) {
            self.refused.extend(here.iter().map(|mutant| mutant.id));
        } else if !is_planted(&both.left) && !is_planted(&both.right) {
            let (before, after) =
                (&self.text[whole.start..op.start], &self.text[op.end..whole.end]);
            let among = here
                .into_iter()
                .map(|mutant| (mutant.id, format!("{before}{}{after}", mutant.replacement)));
            let among = among.collect();
            self.choose(whole, among);
        }
        self.visit_expr(&both.left);
        // What follows a planted condition runs only with the defect.
        if !(matches!(both.op, syn::BinOp::And(_)) && needs_planted(&both.left)) {
            self.visit_expr(&both.right);
        }
    }

    fn visit_expr_if(&mut self, choice: &'ast syn::ExprIf) {
        self.visit_expr(&choice.cond);
        if !needs_planted(&choice.cond) {
            self.visit_block(&choice.then_branch);
        }
        if let Some((_, otherwise)) = &choice.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if !is_planted(&unary.expr) {
            let operand = self.text[unary.expr.span().byte_range()].to_owned();
            let among = self.at(unary.op.span(), Genre::UnaryOperator).into_iter();
            let among = among.map(|mutant| (mutant.id, operand.clone())).collect();
            self.choose(unary.span().byte_range(), among);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        // An arm that may be passed over needs another one that takes everything.
        let passes = choice.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_)));
        for arm in &choice.arms {
            let after = arm.pat.span().byte_range().end;
            for mutant in self.at(arm.span(), Genre::MatchArm) {
                let id = mutant.id;
                if passes {
                    self.insert(after, id, format!(" if !crate::mutant::on({id}) "));
                } else {
                    self.refused.insert(id);
                }
            }
            let syn::Pat::Guard(guarded) = &arm.pat else { continue };
            let guard = &*guarded.guard;
            let among = self.at(guard.span(), Genre::MatchArmGuard).into_iter();
            let among = among.map(|mutant| (mutant.id, mutant.replacement.clone())).collect();
            if !has_let(guard) {
                self.choose(guard.span().byte_range(), among);
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        let whole = literal.span().byte_range();
        let mut among = Vec::new();
        for pair in literal.fields.pairs() {
            let field = pair.value().span().byte_range();
            let end = pair.punct().map_or(field.end, |comma| comma.span().byte_range().end);
            for mutant in self.at(pair.value().span(), Genre::StructField) {
                let (before, after) =
                    (&self.text[whole.start..field.start], &self.text[end..whole.end]);
                among.push((mutant.id, format!("{before}{after}")));
            }
        }
        self.choose(whole, among);
        visit::visit_expr_struct(self, literal);
    }
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    places: Places,
}

impl Writer<'_> {
    /// Writes a part of the text with the changes inside it, which come in order.
    fn write(&mut self, part: Range<usize>, mut changes: &[Change]) {
        let mut at = part.start;
        while let Some((change, rest)) = changes.split_first() {
            self.out.push_str(&self.text[at..change.range.start]);
            at = change.range.end;
            let inside =
                rest.iter().take_while(|inner| inner.range.start < at && !change.range.is_empty());
            let (inside, rest) = rest.split_at(inside.count());
            match &change.kind {
                Kind::Insert(id, text) => self.mark(*id, text),
                Kind::Leave => {}
                Kind::Choice(among) => {
                    self.out.push('(');
                    for (id, text) in among {
                        let _ = write!(self.out, "if crate::mutant::on({id}) {{ ");
                        self.mark(*id, text);
                        self.out.push_str(" } else ");
                    }
                    self.out.push_str("{ ");
                    self.write(change.range.clone(), inside);
                    self.out.push_str(" })");
                }
            }
            changes = rest;
        }
        self.out.push_str(&self.text[at..part.end]);
    }

    fn mark(&mut self, id: u32, text: &str) {
        let from = self.out.len();
        self.out.push_str(text);
        self.places.push((id, from..self.out.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::{SWITCHES, weave};
    use crate::list::{Genre, Mutant, Place, Span};
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::fs;
    use std::process::Command;

    const TEXT: &str = r"
fn bonus() -> i64 { 7 }
const fn base() -> i64 { 10 * 2 }
const LIMIT: i64 = 4 * 5;
const START: i64 = base();
#[derive(Clone)] struct Pair { one: i64, two: i64 }
fn ä(n: i64) -> i64 {
    let pair = Pair { one: 3, ..Pair { one: 1, two: 2 } };
    let small = n < 3 && !(n == 1) || n > LIMIT;
    let kind = match n { 0 => 100, x if x > 50 => 200, _ => 300 };
    let more = if let Some(m) = Some(n) && m > 2 { -m } else { 0 };
    let all = pair.one * 10 + pair.two;
    all + kind + more + bonus() + START + i64::from(small)
}
macro_rules! planted { ($defect:ident) => { false } }
fn seen(n: i64) -> bool { n > 0 && !planted!(Defect) }
fn worse(n: i64) -> i64 { if planted!(Defect) && n > 8 { n + 9 } else { n } }
fn usual(n: i64) -> i64 { if !planted!(Defect) && n > 6 { n + 4 } else { n } }
fn main() { println!(`{} {} {} {}`, ä(0), ä(1), ä(2), ä(60)) }
";

    /// A mutant of the first `before` in the text after `near`.
    fn mutant(id: u32, genre: Genre, near: &str, before: &str, after: &str) -> Mutant {
        let from = TEXT.find(near).unwrap();
        let at = from + TEXT[from..].find(before).unwrap();
        let line = TEXT[..at].matches('\n').count() + 1;
        let begin = TEXT[..at].rfind('\n').unwrap() + 1;
        let start = Place { line, column: TEXT[begin..at].chars().count() + 1 };
        let end = Place { line, column: start.column + before.chars().count() };
        let (name, file) = (format!("{near}: {before} {after}"), "sample.rs".into());
        let (span, replacement) = (Span { start, end }, after.to_owned());
        let key = name.clone();
        Mutant { id, name, key, file, function: None, span, replacement, genre }
    }

    #[test]
    fn one_build_has_them_all_and_each_changes_what_it_should() {
        use Genre::{BinaryOperator, FnValue, MatchArm, MatchArmGuard, StructField, UnaryOperator};
        // Each with what the text prints while it is on.
        let cases = [
            (mutant(1, FnValue, "bonus", "7", "0"), "153 352 353 193"),
            (mutant(2, BinaryOperator, "n < 3", "<", "=="), "159 359 359 200"),
            (mutant(3, BinaryOperator, "&& !(", "&&", "||"), "160 360 360 200"),
            (mutant(4, BinaryOperator, "|| n", "||", "&&"), "159 359 359 199"),
            (mutant(5, UnaryOperator, "!(n", "!", ""), "159 360 359 200"),
            (mutant(6, MatchArm, "match n", "0 => 100", ""), "360 359 360 200"),
            (mutant(7, MatchArmGuard, "x if", "x > 50", "false"), "160 359 360 300"),
            (mutant(8, StructField, "Pair { one: 3", "one: 3,", ""), "140 339 340 180"),
            (mutant(9, BinaryOperator, "m > 2", ">", "=="), "160 359 358 260"),
            (mutant(10, UnaryOperator, "{ -m", "-", ""), "160 359 360 320"),
            (mutant(11, BinaryOperator, "pair.one *", "*", "+"), "143 342 343 183"),
            (mutant(12, BinaryOperator, "10 + pair", "+", "*"), "188 387 388 228"),
        ];
        let others = [
            mutant(13, BinaryOperator, "&& m", "&&", "||"),
            mutant(14, BinaryOperator, "4 * 5", "*", "+"),
            mutant(15, BinaryOperator, "10 * 2", "*", "+"),
            mutant(16, BinaryOperator, "&& !planted", "&&", "||"),
            mutant(17, UnaryOperator, "!planted", "!", ""),
            mutant(18, BinaryOperator, "n > 8", ">", "<"),
            mutant(19, BinaryOperator, "n + 9", "+", "*"),
            mutant(20, BinaryOperator, "n > 6", ">", "<"),
            mutant(21, BinaryOperator, "n + 4", "+", "*"),
        ];
        let all: Vec<&Mutant> = cases.iter().map(|(mutant, _)| mutant).chain(&others).collect();
        let text = TEXT.replace('`', "\"");
        let woven = weave(&text, &all, &BTreeSet::from(["base".to_owned()])).unwrap();
        assert_eq!(woven.refused, BTreeSet::from([13]));
        assert_eq!(woven.left_out, BTreeSet::from([14, 15, 16, 17, 18, 19]));
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let source = format!("#![allow(warnings)]\n{}\nmod mutant {{{SWITCHES}}}", woven.text);
        fs::write(folder.join("sample.rs"), source).unwrap();
        let built = Command::new("rustc")
            .args(["--edition", "2024", "sample.rs"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&built.stderr),
            woven.text
        );
        let prints_with = |name: &str, value: &OsStr| {
            let ran = Command::new(folder.join("sample")).env(name, value).output().unwrap();
            String::from_utf8(ran.stdout).unwrap().trim().to_owned()
        };
        let prints = |id: u32| prints_with("MUTANT", id.to_string().as_ref());
        assert_eq!(prints(0), "160 359 360 200", "without a mutant");
        for (mutant, printed) in &cases {
            assert_eq!(prints(mutant.id), *printed, "{}", mutant.name);
        }
        let reached = folder.join("reached");
        assert_eq!(prints_with("MUTANT_REACHED", reached.as_ref()), "160 359 360 200");
        let reached = fs::read(reached).unwrap();
        let numbers: Vec<usize> = (0..reached.len()).filter(|id| reached[*id] == 1).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }
}
