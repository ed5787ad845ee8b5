//! Whether a person may be contacted, by this channel, now. Pure: facts in, a
//! decision out, with the rule that made it.
//!
//! Rules are looked at in one order and the first no counts; waiting comes
//! after every no, and a dry run last, so that it never hides one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::failpoint::broken;
use crate::model::{Channel, ConsentState, PatientStatus};

/// Why a person is not contacted. A closed list, counted in every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Messages are switched off at the office, or it is paused.
    OfficeDisabled,
    /// Only a list of named patients is contacted for now.
    NotOnAllowList,
    /// No template of this purpose and channel may be used.
    NoTemplate,
    /// The patient's status does not fit the purpose.
    PatientStatus,
    /// A person must look first: at the notes, or at a reply.
    NeedsPerson,
    /// A minor without a guarantor who could be told instead.
    MinorNoGuarantor,
    /// The address is on the list of stops.
    Suppressed,
    /// Somebody said no.
    ConsentDenied,
    /// Nobody said yes, and silence is no yes here.
    ConsentUnknown,
    /// It takes a written yes.
    NeedsWrittenConsent,
    /// The CRM says do not disturb.
    CrmDnd,
    /// Nobody knows what the CRM says.
    CrmDndUnknown,
    /// There is no address that this channel can use.
    Address,
    /// The person, or their number, was contacted too often of late.
    FrequencyCap,
    /// The household was told for this purpose just now.
    HouseholdCap,
    /// A review was asked for not long ago.
    ReviewCap,
    /// This very occurrence was told already, to them or to their household.
    AlreadySent,
    /// It is too late for it.
    Expired,
    /// The text does not pass the checks of content.
    Content,
    /// It is night where they are.
    QuietHours,
    /// What the CRM says is too old: it is read again first.
    CrmDndStale,
    /// It is too early.
    TooEarly,
    /// The office's daily cap for its first days is used up.
    FirstDays,
    /// The provider refused the address or the text.
    Refused,
}

impl Rule {
    /// As it stands in plans, reports and the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OfficeDisabled => "office_disabled",
            Self::NotOnAllowList => "not_on_allow_list",
            Self::NoTemplate => "no_template",
            Self::PatientStatus => "patient_status",
            Self::NeedsPerson => "needs_person",
            Self::MinorNoGuarantor => "minor_no_guarantor",
            Self::Suppressed => "suppressed",
            Self::ConsentDenied => "consent_denied",
            Self::ConsentUnknown => "consent_unknown",
            Self::NeedsWrittenConsent => "needs_written_consent",
            Self::CrmDnd => "crm_dnd",
            Self::CrmDndUnknown => "crm_dnd_unknown",
            Self::Address => "address",
            Self::FrequencyCap => "frequency_cap",
            Self::HouseholdCap => "household_cap",
            Self::ReviewCap => "review_cap",
            Self::AlreadySent => "already_sent",
            Self::Expired => "expired",
            Self::Content => "content",
            Self::QuietHours => "quiet_hours",
            Self::CrmDndStale => "crm_dnd_stale",
            Self::TooEarly => "too_early",
            Self::FirstDays => "first_days",
            Self::Refused => "refused",
        }
    }

    /// In words, with who can change it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OfficeDisabled => {
                "messages are off or paused at this office: the configuration or `resume` turns them on"
            }
            Self::NotOnAllowList => "only the patients of the allow-list are contacted for now",
            Self::NoTemplate => "no way out for this purpose and channel is configured",
            Self::PatientStatus => "their status in the practice does not fit the purpose",
            Self::NeedsPerson => {
                "a person must look first: the practice's notes, or a reply that was not understood"
            }
            Self::MinorNoGuarantor => "a minor without a guarantor who can be contacted",
            Self::Suppressed => "the address said stop, or is dead; only its holder lifts that",
            Self::ConsentDenied => "they said no; only they can change that, at the practice",
            Self::ConsentUnknown => "nobody has recorded a yes; the practice can ask them",
            Self::NeedsWrittenConsent => {
                "it takes a written yes, which the practice has not recorded"
            }
            Self::CrmDnd => "the crm says do not disturb; only the crm can lift that",
            Self::CrmDndUnknown => "the crm does not say whether they may be contacted",
            Self::Address => "the practice has no address that this channel can use",
            Self::FrequencyCap => "they were contacted too often in the last days",
            Self::HouseholdCap => "their household was told for this purpose just now",
            Self::ReviewCap => "a review was asked for not long ago",
            Self::AlreadySent => "they, or their household, were told of this already",
            Self::Expired => "it is too late for it",
            Self::Content => "the text does not pass the checks of content: mend the template",
            Self::QuietHours => "it is outside the hours in which they may be contacted",
            Self::CrmDndStale => "what the crm says is more than a day old: it is read again first",
            Self::TooEarly => "it is too early for it",
            Self::FirstDays => "the cap of the first live days is used up for today",
            Self::Refused => "the provider will not take it",
        }
    }
}

/// What the practice recorded about a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// A yes in writing.
    GrantedWritten,
    /// A yes.
    Granted,
    /// A no.
    Denied,
    /// Nothing.
    Unknown,
}

impl From<ConsentState> for Consent {
    fn from(state: ConsentState) -> Self {
        match state {
            ConsentState::Granted => Self::Granted,
            ConsentState::Denied => Self::Denied,
            ConsentState::Unknown => Self::Unknown,
        }
    }
}

/// What a CRM says about a person and a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrmState {
    /// Nothing stands against it.
    Clear,
    /// Do not disturb.
    Blocked,
    /// It cannot be asked.
    Unknown,
}

/// What kind of address there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressFact {
    /// One that the channel can use.
    Ok,
    /// A number for the voice only.
    VoiceOnly,
    /// None.
    Missing,
}

/// Everything a decision rests on: no name, no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What for.
    pub purpose: Purpose,
    /// By which channel.
    pub channel: Channel,
    /// Messages are on at this office, and it is not paused.
    pub office_enabled: bool,
    /// There is an allow-list, and the patient is not on it.
    pub left_out: bool,
    /// There is a template and a gateway for it.
    pub template: bool,
    /// The patient's status.
    pub status: PatientStatus,
    /// The practice has removed the patient.
    pub gone: bool,
    /// A person must look first.
    pub hold: bool,
    /// The patient is a minor.
    pub minor: bool,
    /// Somebody else is told instead, who can be.
    pub has_guarantor: bool,
    /// Why the recipient's address is on the list of stops for this channel.
    pub suppressed: Option<String>,
    /// The recipient's consent.
    pub consent: Consent,
    /// What the CRMs say about the recipient.
    pub crm: CrmState,
    /// How old that is, in whole hours.
    pub crm_age_hours: Option<i64>,
    /// The recipient's address.
    pub address: AddressFact,
    /// Contacts of the recipient, their address and the practice's own, in the
    /// last 24 hours, over all purposes.
    pub last_day: u32,
    /// The same in the last 7 days.
    pub last_week: u32,
    /// When these caps are next below their bound.
    pub cap_free: Option<DateTime<Utc>>,
    /// This occurrence was told before.
    pub told: bool,
    /// Until when the household hears no more for this purpose.
    pub household_until: Option<DateTime<Utc>>,
    /// Until when no further review is asked for.
    pub review_until: Option<DateTime<Utc>>,
    /// From when on it may be told.
    pub not_before: Option<DateTime<Utc>>,
    /// Until when it may be told.
    pub expires: Option<DateTime<Utc>>,
    /// The provider refused it before, by this channel.
    pub refused: bool,
    /// The text passes the checks.
    pub content: bool,
    /// When the recipient's window opens next. None: it is open, or the
    /// channel has none.
    pub quiet_until: Option<DateTime<Utc>>,
    /// Nothing is sent, only planned.
    pub dry_run: bool,
}

/// What an office has chosen where the law leaves a choice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateRules {
    /// Contacts of one person in 24 hours, at the most, over all purposes.
    pub per_day: u32,
    /// Contacts of one person in 7 days, at the most, over all purposes.
    pub per_week: u32,
    /// A care reminder may go by text although nobody recorded a yes.
    pub recall_text_without_yes: bool,
    /// A yes of this practice is a written one.
    pub yes_is_written: bool,
    /// A care reminder may go although the CRM keeps no list of stops.
    pub recall_without_crm_list: bool,
    /// What a CRM says counts for so many hours.
    pub crm_hours: i64,
}

impl Default for GateRules {
    fn default() -> Self {
        Self {
            per_day: 1,
            per_week: 3,
            recall_text_without_yes: false,
            yes_is_written: false,
            recall_without_crm_list: false,
            crm_hours: 24,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Send it, to the patient.
    Send,
    /// Send it, to the guarantor.
    SendToGuarantor,
    /// It would be sent.
    WouldSend,
    /// Not yet.
    Defer,
    /// What the CRM says must be read first.
    Refresh,
    /// No.
    Deny,
}

impl Verdict {
    /// Whether something goes out, or would.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Send | Self::SendToGuarantor | Self::WouldSend)
    }
}

/// What was decided, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// The rule that stood against it. None: none did.
    pub rule: Option<Rule>,
    /// When the same facts would be judged differently, if time alone does it.
    pub again: Option<DateTime<Utc>>,
}

impl Decision {
    const fn deny(rule: Rule) -> Self {
        Self {
            verdict: Verdict::Deny,
            rule: Some(rule),
            again: None,
        }
    }

    const fn deny_until(rule: Rule, again: Option<DateTime<Utc>>) -> Self {
        Self {
            verdict: Verdict::Deny,
            rule: Some(rule),
            again,
        }
    }

    pub(crate) const fn defer(rule: Rule, again: DateTime<Utc>) -> Self {
        Self {
            verdict: Verdict::Defer,
            rule: Some(rule),
            again: Some(again),
        }
    }
}

/// Decides.
pub fn decide(facts: &Facts, rules: &GateRules, now: DateTime<Utc>) -> Decision {
    if let Some(no) = refuse(facts, rules, now) {
        return no;
    }
    if let Some(at) = facts.not_before.filter(|at| *at > now) {
        return Decision::defer(Rule::TooEarly, at);
    }
    if let Some(at) = facts.quiet_until
        && facts.channel != Channel::Email
        && !broken("broken.gate.quiet")
    {
        return Decision::defer(Rule::QuietHours, at);
    }
    let verdict = if facts.dry_run {
        Verdict::WouldSend
    } else if facts.minor {
        Verdict::SendToGuarantor
    } else {
        Verdict::Send
    };
    Decision {
        verdict,
        rule: None,
        again: None,
    }
}

/// The first no.
fn refuse(facts: &Facts, rules: &GateRules, now: DateTime<Utc>) -> Option<Decision> {
    let no = |rule| Some(Decision::deny(rule));
    if !facts.office_enabled {
        return no(Rule::OfficeDisabled);
    }
    if facts.left_out {
        return no(Rule::NotOnAllowList);
    }
    if !facts.template {
        return no(Rule::NoTemplate);
    }
    if facts.gone || !fits(facts.purpose, facts.status) {
        return no(Rule::PatientStatus);
    }
    if facts.hold {
        return no(Rule::NeedsPerson);
    }
    if facts.minor && !facts.has_guarantor && !broken("broken.gate.minor") {
        return no(Rule::MinorNoGuarantor);
    }
    if facts.suppressed.is_some() && !broken("broken.gate.suppressed") {
        return no(Rule::Suppressed);
    }
    if let Some(rule) = consent(facts, rules)
        && !broken("broken.gate.consent")
    {
        return no(rule);
    }
    match facts.crm {
        _ if facts.crm != CrmState::Blocked
            && facts.crm_age_hours.is_some_and(|age| age > rules.crm_hours) =>
        {
            return Some(Decision {
                verdict: Verdict::Refresh,
                rule: Some(Rule::CrmDndStale),
                again: None,
            });
        }
        CrmState::Blocked => return no(Rule::CrmDnd),
        CrmState::Unknown if facts.purpose.is_marketing() || !rules.recall_without_crm_list => {
            return no(Rule::CrmDndUnknown);
        }
        CrmState::Unknown | CrmState::Clear => {}
    }
    if facts.address != AddressFact::Ok {
        return no(Rule::Address);
    }
    if facts.refused {
        return no(Rule::Refused);
    }
    if (facts.last_day >= rules.per_day || facts.last_week >= rules.per_week)
        && !facts.told
        && !broken("broken.gate.frequency")
    {
        return Some(Decision::deny_until(Rule::FrequencyCap, facts.cap_free));
    }
    if facts.told {
        return no(Rule::AlreadySent);
    }
    if let Some(until) = facts.household_until.filter(|until| *until > now)
        && !broken("broken.gate.household")
    {
        return Some(Decision::deny_until(Rule::HouseholdCap, Some(until)));
    }
    if let Some(until) = facts.review_until.filter(|until| *until > now) {
        return Some(Decision::deny_until(Rule::ReviewCap, Some(until)));
    }
    if facts.expires.is_some_and(|at| at <= now) {
        return no(Rule::Expired);
    }
    if !facts.content {
        return no(Rule::Content);
    }
    None
}

/// Whether a patient of this status is contacted for this purpose at all.
const fn fits(purpose: Purpose, status: PatientStatus) -> bool {
    match (purpose, status) {
        (_, PatientStatus::Active) => true,
        (Purpose::Reactivation | Purpose::Review, PatientStatus::Inactive) => true,
        (
            _,
            PatientStatus::Inactive
            | PatientStatus::NonPatient
            | PatientStatus::Prospective
            | PatientStatus::Archived
            | PatientStatus::Deceased
            | PatientStatus::Deleted,
        ) => false,
    }
}

/// What stands against it in what the practice recorded.
fn consent(facts: &Facts, rules: &GateRules) -> Option<Rule> {
    match (facts.channel, facts.consent) {
        (_, Consent::Denied) => Some(Rule::ConsentDenied),
        (Channel::Email, _) | (_, Consent::GrantedWritten) => None,
        (_, Consent::Granted) if facts.purpose.is_marketing() && !rules.yes_is_written => {
            Some(Rule::NeedsWrittenConsent)
        }
        (_, Consent::Granted) => None,
        // Silence is never a yes for marketing, and never for a call.
        (Channel::Sms, Consent::Unknown)
            if facts.purpose == Purpose::Recall && rules.recall_text_without_yes =>
        {
            None
        }
        (_, Consent::Unknown) => Some(Rule::ConsentUnknown),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T21:00:00Z".parse().unwrap()
    }

    fn facts() -> Facts {
        Facts {
            purpose: Purpose::Recall,
            channel: Channel::Sms,
            office_enabled: true,
            left_out: false,
            template: true,
            status: PatientStatus::Active,
            gone: false,
            hold: false,
            minor: false,
            has_guarantor: true,
            suppressed: None,
            consent: Consent::Granted,
            crm: CrmState::Clear,
            crm_age_hours: Some(1),
            address: AddressFact::Ok,
            last_day: 0,
            last_week: 0,
            cap_free: None,
            told: false,
            household_until: None,
            review_until: None,
            not_before: None,
            expires: None,
            refused: false,
            content: true,
            quiet_until: None,
            dry_run: false,
        }
    }

    fn read(case: &Value) -> Facts {
        let said = &case["facts"];
        let word = |key: &str| said[key].as_str();
        let channel = match case["channel"].as_str().unwrap() {
            "sms" => Channel::Sms,
            "email" => Channel::Email,
            other => panic!("{other}"),
        };
        let count = |key: &str| u32::try_from(said[key].as_u64().unwrap()).unwrap();
        Facts {
            purpose: serde_json::from_value(case["purpose"].clone()).unwrap(),
            channel,
            office_enabled: said["office_enabled"].as_bool().unwrap(),
            status: serde_json::from_value(said["patient_status"].clone()).unwrap(),
            hold: !said["hold"].is_null(),
            minor: said["minor"].as_bool().unwrap(),
            has_guarantor: said["has_guarantor"].as_bool().unwrap(),
            // The vectors write a stop of another channel with its name.
            suppressed: word("suppressed")
                .filter(|why| !(channel == Channel::Email && why.starts_with("sms:")))
                .map(str::to_owned),
            consent: serde_json::from_value(said["consent"].clone()).unwrap(),
            crm: match word("crm_dnd").unwrap() {
                "clear" => CrmState::Clear,
                "unknown" => CrmState::Unknown,
                "active" | "permanent" => CrmState::Blocked,
                other => panic!("{other}"),
            },
            crm_age_hours: said["crm_dnd_age_h"].as_i64(),
            address: match word("address").unwrap() {
                "ok" => AddressFact::Ok,
                "voice_only" => AddressFact::VoiceOnly,
                other => panic!("{other}"),
            },
            last_day: count("sent_last_24h"),
            last_week: count("sent_last_7d"),
            told: said["sent_for_episode"].as_u64().unwrap() > 0,
            quiet_until: (!said["local_time_ok"].as_bool().unwrap())
                .then(|| now() + TimeDelta::hours(9)),
            dry_run: word("mode") == Some("dry_run"),
            ..facts()
        }
    }

    #[test]
    fn every_case_of_the_consent_matrix_is_decided_as_it_says() {
        let whole: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/consent_matrix.json")).unwrap();
        let cases = whole["cases"].as_array().unwrap();
        for case in cases {
            let decision = decide(&read(case), &GateRules::default(), now());
            let said = match decision.verdict {
                Verdict::Send => "send".to_owned(),
                Verdict::SendToGuarantor => "send_to_guarantor".to_owned(),
                Verdict::WouldSend => "would_send".to_owned(),
                Verdict::Defer => "defer".to_owned(),
                Verdict::Refresh => "refresh_then_decide".to_owned(),
                Verdict::Deny => format!("deny:{}", decision.rule.unwrap().name()),
            };
            assert_eq!(said, case["expect"].as_str().unwrap(), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 38);
    }

    #[test]
    fn a_rule_has_the_same_name_everywhere_and_a_sentence() {
        for rule in [Rule::ConsentDenied, Rule::QuietHours, Rule::FirstDays] {
            let json = serde_json::to_value(rule).unwrap();
            assert_eq!(json, rule.name());
            assert!(!rule.sentence().is_empty());
        }
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let purpose = prop::sample::select(Purpose::ALL.to_vec());
        let channel = prop::sample::select(vec![Channel::Sms, Channel::Email, Channel::Voice]);
        let status = prop::sample::select(vec![
            PatientStatus::Active,
            PatientStatus::Inactive,
            PatientStatus::NonPatient,
            PatientStatus::Prospective,
            PatientStatus::Archived,
            PatientStatus::Deceased,
            PatientStatus::Deleted,
        ]);
        let consent = prop::sample::select(vec![
            Consent::GrantedWritten,
            Consent::Granted,
            Consent::Denied,
            Consent::Unknown,
        ]);
        let crm = prop::sample::select(vec![CrmState::Clear, CrmState::Blocked, CrmState::Unknown]);
        let flags = prop::collection::vec(any::<bool>(), 10);
        let counts = (0..3u32, 0..5u32, prop::option::of(0..50i64));
        (purpose, channel, status, consent, crm, flags, counts).prop_map(
            |(purpose, channel, status, consent, crm, flags, (day, week, age))| Facts {
                purpose,
                channel,
                status,
                consent,
                crm,
                crm_age_hours: age,
                last_day: day,
                last_week: week,
                office_enabled: flags[0] || flags[1],
                hold: flags[2] && flags[3],
                minor: flags[3],
                has_guarantor: flags[4],
                suppressed: flags[5].then(|| "keyword_stop".to_owned()),
                told: flags[6],
                dry_run: flags[7],
                quiet_until: flags[8].then(|| now() + TimeDelta::hours(1)),
                gone: flags[9] && flags[0],
                ..facts()
            },
        )
    }

    fn any_rules() -> impl Strategy<Value = GateRules> {
        (1..4u32, 1..6u32, any::<[bool; 3]>()).prop_map(|(per_day, per_week, flags)| GateRules {
            per_day,
            per_week,
            recall_text_without_yes: flags[0],
            yes_is_written: flags[1],
            recall_without_crm_list: flags[2],
            crm_hours: 24,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn s12_nothing_goes_out_against_a_no_whatever_the_office_has_chosen(
            facts in any_facts(),
            rules in any_rules(),
        ) {
            let decision = decide(&facts, &rules, now());
            if decision.verdict.sends() {
                prop_assert!(facts.suppressed.is_none() && facts.crm != CrmState::Blocked);
                prop_assert!(facts.consent != Consent::Denied && !facts.status.is_closed());
                prop_assert!(!facts.told && !facts.gone && !facts.hold);
                prop_assert!(!facts.minor || facts.has_guarantor);
                if facts.purpose.is_marketing() && facts.channel != Channel::Email {
                    prop_assert!(matches!(facts.consent, Consent::Granted | Consent::GrantedWritten));
                    prop_assert_eq!(facts.crm, CrmState::Clear);
                }
            }
        }

        #[test]
        fn a_dry_run_says_what_a_live_one_would_do(facts in any_facts(), rules in any_rules()) {
            let live = decide(&Facts { dry_run: false, ..facts.clone() }, &rules, now());
            let dry = decide(&Facts { dry_run: true, ..facts }, &rules, now());
            prop_assert_eq!(live.verdict.sends(), dry.verdict.sends());
            prop_assert_eq!(live.rule, dry.rule);
            prop_assert!(!matches!(dry.verdict, Verdict::Send | Verdict::SendToGuarantor));
        }

        #[test]
        fn s12_one_more_no_never_opens_the_gate(facts in any_facts(), rules in any_rules()) {
            let before = decide(&facts, &rules, now()).verdict.sends();
            for worse in [
                Facts { suppressed: Some("x".into()), ..facts.clone() },
                Facts { consent: Consent::Denied, ..facts.clone() },
                Facts { crm: CrmState::Blocked, ..facts.clone() },
                Facts { hold: true, ..facts.clone() },
                Facts { status: PatientStatus::Deceased, ..facts.clone() },
            ] {
                prop_assert!(!decide(&worse, &rules, now()).verdict.sends() || !before);
                prop_assert!(!decide(&worse, &rules, now()).verdict.sends());
            }
        }
    }
}
