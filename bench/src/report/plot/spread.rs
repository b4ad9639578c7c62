//! Labels beside the ends of lines, moved as little as needed for none to cover another.

/// Where labels go that would best stand at `wanted`, each at least `gap` from the next, between
/// `top` and `bottom`. Closer than `gap` only where there is no room.
pub(super) fn spread(wanted: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // Groups that touch stand around the middle of what they want.
    let mut groups: Vec<(Vec<usize>, f64)> = Vec::new();
    for label in order {
        let mut group = (vec![label], wanted[label].clamp(top, bottom));
        while let Some((before, centre)) = groups.pop() {
            let reach = f64::midpoint(length(&before), length(&group.0)) * gap;
            if group.1 - centre >= reach {
                groups.push((before, centre));
                break;
            }
            let both: Vec<usize> = before.into_iter().chain(group.0).collect();
            let mean = both.iter().map(|one| wanted[*one]).sum::<f64>() / length(&both);
            let half = (length(&both) - 1.0) / 2.0 * gap;
            group = (both, mean.min(bottom - half).max(top + half));
        }
        groups.push(group);
    }
    let mut places = vec![0.0; wanted.len()];
    for (group, centre) in groups {
        let half = (length(&group) - 1.0) / 2.0;
        for (place, label) in group.iter().enumerate() {
            places[*label] = centre + (length(&group[..place]) - half) * gap;
        }
    }
    places
}

fn length(labels: &[usize]) -> f64 {
    f64::from(u32::try_from(labels.len()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[50.0, 10.0], 12.0, (0.0, 100.0)), [50.0, 10.0]);
    }

    #[test]
    fn labels_at_one_place_stand_around_it_in_their_order() {
        assert_eq!(spread(&[50.0, 50.0, 50.0], 12.0, (0.0, 100.0)), [38.0, 50.0, 62.0]);
    }

    #[test]
    fn labels_stay_inside() {
        let places = spread(&[99.0, 100.0, 100.0, 3.0], 12.0, (0.0, 100.0));
        assert_eq!(places, [76.0, 88.0, 100.0, 3.0]);
    }
}
