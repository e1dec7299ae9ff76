//! The same statements as SQL functions, which a server session plans once.
//!
//! A statement without a name is planned each time it comes, which takes the server
//! longer than running it; a name would belong to one server session, and behind a
//! transaction pooler to nobody. A function's plans stay in whichever session runs
//! it. Whether there are functions is the team's choice (`DATABASE_FUNCTIONS`): they
//! come by a migration, `sql/functions.sql`, and the text of each is that of the
//! statement it stands for.

use super::note::NOTE;
use super::read::{CUSTOM, READ};
use super::write::{Score, steps};

/// A change to any statement needs a new name: processes of two versions run side by
/// side during a deployment.
const SCHEMA: &str = "scorer_fn_1";

pub(super) const READ_PLANNED: &str = "SELECT * FROM scorer_fn_1.read($1::jsonb)";
pub(super) const FIRST_PLANNED: &str = "SELECT scorer_fn_1.write_first($1::jsonb) AS scored";
pub(super) const AGAIN_PLANNED: &str = "SELECT scorer_fn_1.write_again($1::jsonb) AS scored";
pub(super) const NOTE_PLANNED: &str = "SELECT scorer_fn_1.note($1::jsonb)";

/// What [`READ`] gives.
const READ_COLUMNS: &str = "
    key_id varchar, hashed_key varchar, hashed_key_sha256 varchar, rate_limit varchar,
    community_id bigint, rule varchar, scorer_type varchar, weighted text[], binary_weighted text[],
    is_custom boolean, lists text, credentials_of_its_own text,
    passport_id bigint, score text[], stored text, providers varchar[], credentials text[], links text";

/// The migration, `sql/functions.sql`. Safe to run again.
pub fn migration() -> String {
    let read = function(
        &format!("read(jsonb) RETURNS TABLE ({READ_COLUMNS})"),
        "STABLE",
        &format!("RETURN QUERY{}", READ.replace("{custom}", CUSTOM)),
    );
    let write = |name: &str, score: Score| {
        // The one column is the function's answer, as it is the statement's.
        let body = format!("RETURN QUERY\n{}", steps(score, |_| true));
        function(&format!("{name}(jsonb) RETURNS SETOF bigint"), "VOLATILE", &body)
    };
    let note =
        function("note(jsonb) RETURNS SETOF boolean", "VOLATILE", &format!("RETURN QUERY{NOTE}"));
    [
        format!(
            "-- What scorer-fn asks the database, planned once per server session instead of at each\n\
             -- request: run this and set DATABASE_FUNCTIONS=on. Written by\n\
             -- `cargo run -p scorer-fn --example functions`. Safe to run again; to undo it, unset the\n\
             -- variable, then DROP SCHEMA {SCHEMA} CASCADE.\n\n\
             BEGIN;\n\nCREATE SCHEMA IF NOT EXISTS {SCHEMA};\n\
             -- The functions do what their caller may do, and nothing else.\n\
             GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC;\n"
        ),
        read,
        write("write_first", Score::First),
        write("write_again", Score::Again),
        note,
        "COMMIT;\n".to_owned(),
    ]
    .join("\n")
}

fn function(head: &str, volatility: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {SCHEMA}.{head}\n\
         LANGUAGE plpgsql {volatility} SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $function$\n\
         #variable_conflict use_column\n\
         BEGIN\n{body};\nEND\n$function$;\n"
    )
}
