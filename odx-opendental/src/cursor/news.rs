//! How the feed moves on by what has no list.

use odx_core::model::RecordKind;

use super::{Feed, Reach, Route, Step};
use crate::plan::Terms;
use crate::query::NewsMark;
use crate::raw::{Item, NewsPage};

impl Feed {
    /// Moves on by a page of news. What is gone is for the caller to tell.
    pub(crate) fn news(&self, page: &NewsPage, next: Option<NewsMark>, terms: &Terms) -> Step {
        let mut feed = self.clone();
        for item in &page.items {
            let removed = matches!(item, Item::RecallGoneOf(_));
            for patient in item.touched() {
                *feed.recalls_of.entry(patient).or_default() |= removed;
            }
        }
        let Some(pass) = feed.pass.as_mut() else {
            return Step::To(feed, Vec::new());
        };
        if let Some(state) = &page.state {
            pass.at = Some(state.at);
            feed.missed.clone_from(&state.missed);
            if pass.reach != Reach::Changes && pass.route == Route::Queries {
                // Everybody is about to be listed, opt-outs and all.
                feed.opt_outs = Some(state.opt_outs.clone());
            } else if feed.opt_outs.as_ref() != Some(&state.opt_outs) {
                pass.opt_outs = Some(state.opt_outs.clone());
            }
        }
        if next.is_some() {
            pass.news = next;
            return Step::To(feed, Vec::new());
        }
        feed.end_stage(Vec::new(), terms)
    }

    /// Moves on by a page of opt-outs.
    pub(crate) fn opt_outs(&self, next: Option<i64>, terms: &Terms) -> Step {
        let mut feed = self.clone();
        let Some(pass) = feed.pass.as_mut() else {
            return Step::To(feed, Vec::new());
        };
        if let Some(next) = next {
            pass.after = next;
            return Step::To(feed, Vec::new());
        }
        // As it was before they were listed: what changed meanwhile differs from it.
        feed.opt_outs = pass.opt_outs.take();
        feed.end_stage(vec![RecordKind::OptOut], terms)
    }
}
