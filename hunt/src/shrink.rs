//! A case made smaller, one thing at a time, as long as it shows the same difference.

use crate::wallets::{Ask, Case, ENDS, PLAIN};

/// What is smaller by one thing, biggest steps first. None of them is the case itself.
pub fn smaller(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut other = case.clone();
        change(&mut other);
        if other != *case {
            all.push(other);
        }
    };
    if case.asks.len() > 1 {
        for at in 0..case.asks.len() {
            with(&|case| {
                case.asks.remove(at);
            });
        }
    }
    for at in 0..case.wallets.len() {
        with(&|case| case.wallets[at].stamps.clear());
    }
    with(&|case| case.links.clear());
    // A wallet that nobody asks for; the later ones move up.
    for at in 0..case.wallets.len() {
        let asked = |ask: &Ask| matches!(ask, Ask::Score { wallet, .. } if *wallet == at);
        if case.wallets.len() == 1 || case.asks.iter().any(asked) {
            continue;
        }
        with(&|case| {
            case.wallets.remove(at);
            for ask in &mut case.asks {
                if let Ask::Score { wallet, .. } = ask
                    && *wallet > at
                {
                    *wallet -= 1;
                }
            }
        });
    }
    for wallet in 0..case.wallets.len() {
        for stamp in 0..case.wallets[wallet].stamps.len() {
            with(&|case| drop(case.wallets[wallet].stamps.remove(stamp)));
        }
    }
    for link in 0..case.links.len() {
        with(&|case| drop(case.links.remove(link)));
    }
    with(&|case| case.spelling = PLAIN);
    with(&|case| case.rules = 0);
    with(&|case| case.multi = true);
    for ask in 0..case.asks.len() {
        with(&|case| {
            if let Ask::Score { community, .. } = &mut case.asks[ask] {
                *community = 0;
            }
        });
        with(&|case| case.asks[ask] = Ask::Score { wallet: 0, community: 0 });
    }
    for wallet in 0..case.wallets.len() {
        for stamp in 0..case.wallets[wallet].stamps.len() {
            with(&|case| case.wallets[wallet].stamps[stamp].flaw = None);
            with(&|case| {
                let stamp = &mut case.wallets[wallet].stamps[stamp];
                stamp.own_provider = stamp.provider;
            });
            with(&|case| case.wallets[wallet].stamps[stamp].nullifiers.truncate(1));
            with(&|case| case.wallets[wallet].stamps[stamp].is_hash = false);
            with(&|case| case.wallets[wallet].stamps[stamp].issuer = 0);
            with(&|case| case.wallets[wallet].stamps[stamp].expires = ENDS[0]);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallets::Wallet;

    /// How much there is in a case; every one of [`smaller`] has less, so shrinking ends.
    fn size(case: &Case) -> usize {
        let stamps = case.wallets.iter().flat_map(|wallet| &wallet.stamps);
        let of_stamp = |stamp: &crate::wallets::Stamp| {
            10 + stamp.nullifiers.len()
                + usize::from(stamp.flaw.is_some())
                + usize::from(stamp.own_provider != stamp.provider)
                + usize::from(stamp.is_hash)
                + usize::from(stamp.issuer != 0)
                + usize::from(stamp.expires != ENDS[0])
        };
        let of_ask = |ask: &Ask| match ask {
            Ask::Score { wallet: 0, community: 0 } => 10,
            Ask::Score { community, .. } => 11 + usize::from(*community != 0),
            Ask::Refused(_) => 12,
        };
        stamps.map(of_stamp).sum::<usize>()
            + case.asks.iter().map(of_ask).sum::<usize>()
            + 10 * (case.wallets.len() + case.links.len())
            + usize::from(case.spelling != PLAIN)
            + usize::from(case.rules != 0)
            + usize::from(!case.multi)
    }

    #[test]
    fn everything_smaller_is_smaller_and_the_smallest_is_one_plain_request() {
        for number in 0..200 {
            let mut case = Case::new(7, number);
            // Down the first way each time, as if every step showed the difference.
            while let Some(next) = smaller(&case).into_iter().next() {
                assert!(size(&next) < size(&case), "{next} is not smaller than {case}");
                for other in smaller(&case) {
                    assert!(size(&other) < size(&case), "{other} is not smaller than {case}");
                }
                case = next;
            }
            assert_eq!((case.wallets.len(), case.asks.len()), (1, 1), "{case}");
            assert!(case.wallets[0].stamps.is_empty() && case.links.is_empty(), "{case}");
        }
    }

    #[test]
    fn a_stamp_that_matters_is_kept_and_all_else_goes() {
        let wants = |case: &Case| {
            case.wallets.iter().flat_map(Wallet::good).any(|good| good.provider == "Ens")
        };
        let mut case = (0..200).map(|number| Case::new(7, number)).find(wants).unwrap();
        while let Some(next) = smaller(&case).into_iter().find(wants) {
            case = next;
        }
        let stamps: usize = case.wallets.iter().map(|wallet| wallet.stamps.len()).sum();
        assert_eq!((stamps, case.asks.len(), case.links.len()), (1, 1, 0), "{case}");
    }
}
