//! The unchanged programs as processes, in a local cloud or among servers that
//! others wrote: whole nights, the runbooks' commands, the page in a browser.

#[path = "../support/cloud.rs"]
mod cloud;
#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/stage.rs"]
mod stage;

mod cli;
mod compare;
mod foreign_smoke;
mod night;
mod runbooks;
mod widget_browser;
mod wrong_answers;
