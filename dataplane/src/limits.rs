//! Limits of attachments that are there: changed with the next packet, nothing else touched.

use crate::attachment::{Attachment, Limits, State};
use crate::error::{Error, Result};
use crate::session::Session;

/// Gives each attachment the limits that `change` makes of its present ones: all, or none.
pub fn set(session: &mut Session, rows: &[Attachment], change: impl Fn(Limits) -> Limits) -> Result<()> {
    let changed: Vec<Attachment> =
        rows.iter().map(|row| Attachment { limits: change(row.limits), ..row.clone() }).collect();
    // Refused before anything is written.
    changed.iter().try_for_each(|row| row.limits.to_map().map(drop))?;
    write(session, &changed).map_err(|error| match write(session, rows) {
        Ok(()) => error,
        Err(more) => Error::Several(vec![error, more]),
    })
}

/// Writes rows, maps and rows again, so that a kill in between is seen.
fn write(session: &mut Session, rows: &[Attachment]) -> Result<()> {
    let rows_in = |state| rows.iter().map(|row| Attachment { state, ..row.clone() }).collect::<Vec<_>>();
    session.store.put(&rows_in(State::Changing))?;
    for row in rows {
        session.datapath()?.tables.change_limits(row.slot, row.limits.to_map()?)?;
    }
    session.store.put(&rows_in(State::Ready))
}
