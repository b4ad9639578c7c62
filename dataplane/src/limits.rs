//! Limits of attachments that are there: changed with the next packet, nothing else touched.

use crate::attachment::{Attachment, Limits, State};
use crate::error::Result;
use crate::session::Session;

/// Gives each attachment the limits that `change` makes of its present ones: all, or none.
pub fn set(session: &mut Session, rows: &[Attachment], change: impl Fn(Limits) -> Limits) -> Result<()> {
    let mut changed = Vec::with_capacity(rows.len());
    for row in rows {
        let limits = change(row.limits);
        changed.push((Attachment { limits, state: State::Changing, ..row.clone() }, limits.to_map()?));
    }
    let rows = |state| changed.iter().map(|(row, _)| Attachment { state, ..row.clone() }).collect::<Vec<_>>();
    session.store.put(&rows(State::Changing))?;
    for (row, limits) in &changed {
        session.datapath()?.tables.set_limits(row.slot, *limits)?;
    }
    session.store.put(&rows(State::Ready))
}
