//! Writes `sql/functions.sql`.

fn main() -> std::io::Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/functions.sql");
    std::fs::write(file, scorer_fn::store::queries::migration())?;
    println!("{file}");
    Ok(())
}
