//! Detach: takes our programs off interfaces, and forgets them.

use crate::attachment::{Attachment, Hook, Role, State};
use crate::error::{Error, Result};
use crate::expedite::Expedited;
use crate::session::Session;

/// Detaches; goes on past errors and reports them together. Calls `progress` with the number
/// done so far.
pub async fn detach(
    session: &mut Session,
    rows: &[Attachment],
    mut progress: impl FnMut(usize),
) -> Result<()> {
    // An endpoint without its programs would be a veth that nobody guards.
    if let Some(row) = rows.iter().find(|row| row.role == Role::Endpoint) {
        return Err(Error::IsEndpoint { name: row.interface.clone() });
    }
    session.store.mark(rows, State::Removing)?;
    let links = rows.iter().filter(|row| row.hook == Hook::Tcx).count();
    let expedited = Expedited::for_links(2 * links);
    let mut errors = Vec::new();
    let mut removed = Vec::with_capacity(rows.len());
    for (done, row) in rows.iter().enumerate() {
        match session.discard(row, true).await {
            Ok(()) => removed.push(row.clone()),
            Err(error) => errors.push(error),
        }
        progress(done + 1);
    }
    drop(expedited);
    errors.extend(session.store.remove(&removed).err());
    Error::join(errors)
}
