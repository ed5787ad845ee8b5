//! Words as the rules on messages see them, and the lists they are held against.
//!
//! In a list of stems a star at the end stands for any ending; every other word
//! also counts with the ending of a plural. Words are written as [`fold`] leaves
//! them: small, without accents.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::segments::plain;

/// Text in the one form in which it is compared: compatible characters are one,
/// invisible ones and accents are gone, quotes are straight, letters small.
/// A word that mixes Latin letters with ones that only look so is Latin.
/// Line breaks stay.
pub(super) fn fold(text: &str) -> String {
    // Most texts: the same as below, without its cost.
    if text.is_ascii() {
        return text.to_ascii_lowercase().replace('`', "'");
    }
    let shown: String = text.nfkc().filter(|c| !is_invisible(*c)).collect();
    let letters: String = plain(&shown)
        .to_lowercase()
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .nfc()
        .collect();
    if letters.is_ascii() {
        return letters;
    }
    letters
        .split_inclusive(|c: char| !c.is_alphanumeric())
        .map(|word| {
            if word.contains(|c: char| c.is_ascii_alphabetic()) {
                Cow::Owned(word.chars().map(latin).collect())
            } else {
                Cow::Borrowed(word)
            }
        })
        .collect()
}

/// Characters that change nothing one can see, and letters without a shape.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{e0000}'..='\u{e0fff}')
}

/// The Latin letter that a Greek or Cyrillic one, or a stroked one, looks like.
const fn latin(c: char) -> char {
    match c {
        'а' | 'α' => 'a',
        'в' | 'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' | 'đ' => 'd',
        'е' | 'ε' => 'e',
        'һ' | 'н' | 'ħ' => 'h',
        'і' | 'ı' | 'ι' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' | 'ł' => 'l',
        'м' => 'm',
        'п' | 'η' => 'n',
        'о' | 'ο' | 'ø' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        'ᴢ' => 'z',
        other => other,
    }
}

/// The words of a folded text. Apostrophes inside a word are left out, anything
/// else that is no letter or digit ends one.
pub(super) fn tokens(folded: &str) -> impl Iterator<Item = Cow<'_, str>> {
    folded
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(|word| {
            if word.contains('\'') {
                Cow::Owned(word.replace('\'', ""))
            } else {
                Cow::Borrowed(word)
            }
        })
}

/// The same words, with letters that stand alone one after another made one
/// word, as in `S T O P`.
pub(super) fn spelled<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> Vec<Cow<'a, str>> {
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    let mut alone = false;
    for word in words {
        let letter = word.chars().nth(1).is_none() && word.chars().all(char::is_alphabetic);
        match found.last_mut() {
            Some(last) if letter && alone => last.to_mut().push_str(&word),
            _ => found.push(word),
        }
        alone = letter;
    }
    found
}

/// Phrases with commas between. Each is a word, a stem with a star, or several
/// of these.
pub(super) struct List {
    rows: &'static [&'static str],
    by_letter: OnceLock<HashMap<u8, Vec<&'static str>>>,
}

impl List {
    const fn new(rows: &'static [&'static str]) -> Self {
        Self {
            rows,
            by_letter: OnceLock::new(),
        }
    }

    /// Its phrases.
    pub(super) fn phrases(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().flat_map(|row| row.split(", "))
    }

    /// Those that begin with the letter of this word.
    fn beside(&self, word: &str) -> &[&'static str] {
        let index = self.by_letter.get_or_init(|| {
            let mut index: HashMap<u8, Vec<&str>> = HashMap::new();
            for phrase in self.phrases() {
                let letter = phrase.bytes().next().unwrap_or_default();
                index.entry(letter).or_default().push(phrase);
            }
            index
        });
        let letter = word.bytes().next().unwrap_or_default();
        index.get(&letter).map_or(&[], Vec::as_slice)
    }
}

/// Whether a word is one of a list's: itself, in the plural, or by its stem.
fn is(word: &str, entry: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word
            .strip_prefix(entry)
            .is_some_and(|end| matches!(end, "" | "s" | "es")),
    }
}

/// The first phrase of the list that begins at the first of these words, as it
/// stands there: how many words long.
pub(super) fn at_start(list: &List, words: &[Cow<'_, str>]) -> Option<usize> {
    let first = words.first()?;
    list.beside(first).iter().find_map(|phrase| {
        let mut entries = phrase.split(' ');
        if !entries.next().is_some_and(|entry| is(first, entry)) {
            return None;
        }
        let mut long = 1;
        for entry in entries {
            if !words.get(long).is_some_and(|word| is(word, entry)) {
                return None;
            }
            long += 1;
        }
        Some(long)
    })
}

/// A kind of specialist, or their subject.
pub(super) static SPECIALTY: List = List::new(&["\
    endodontist, endodontics, endodoncista, endodontologist, periodontist, periodontics, \
    periodontology, periodoncista, periodontista, orthodontist, orthodontics, ortodoncista, \
    ortodontista, prosthodont*, protesista, pedodont*, odontopediatr*, pediatric dent*, \
    paediatric dent*, oral surgeon, oral surgery, dental surgeon, surgeon, cirujano*, \
    cirujana*, maxillofacial, maxilofacial, implantolog*, oral patholog*, oral medicine, \
    oncolog*, cardiolog*, dermatolog*, gynecolog*, ginecolog*, urolog*, neurolog*, psychiatr*, \
    psiquiatr*, psycholog*, psicolog*, radiolog*, anesthesiolog*, anestesiolog*, nephrolog*, \
    hematolog*, gastroenterolog*, endocrinolog*, rheumatolog*, obstetric*, orthopedic*, \
    otolaryngolog*, sleep medicine, sedation dent*, implant dent*, specialist, especialista"]);

/// Parts of the body.
const BODY: &str = "\
    tooth*, teeth*, gum, gums, gumline, jaw, jawbone, mouth*, tongue*, palate, palatal, lip, \
    cheek, chin, throat, neck, molar*, premolar*, bicuspid*, cuspid*, incisor*, canine*, \
    enamel*, dentin*, pulp*, nerve*, root, sinus*, bone*, tissue*, tonsil*, saliva*, salivary, \
    oral, orally, intraoral, breast*, skin, heart, blood*, liver, kidney, lung, brain, spine, \
    bladder, uter*, prostate, ear, eye, eyes, knee, hip, shoulder, stomach";

/// Procedures and what is put in.
const PROCEDURES: &str = "\
    cleaning*, deep clean*, prophy*, prophylaxis, hygien*, scaling, scale and polish, planing, \
    debridement, periodon*, perio, endodon*, endo, orthodon*, ortho, prosthes*, prosthet*, \
    crown*, bridge, bridgework, bridges, filling*, amalgam*, composite*, inlay*, onlay*, \
    veneer*, denture*, partial*, implant*, abutment*, extract*, pulled, canal, rct, rootcanal*, \
    whiten*, bleach*, bonding, sealant*, fluorid*, braces, bracket*, aligner*, invisalign*, \
    clearcorrect, retainer*, graft*, augment*, sinus lift, surger*, surgic*, suture*, stitch*, \
    biops*, x ray*, xray*, radiograph*, cbct, panoramic, panorex, bitewing*, mri, ct scan, \
    ultrasound*, mammogra*, colonoscop*, screening*, vaccin*, immuniz*, injection*, sedat*, \
    anesthe*, anaesthe*, mouthguard*, night guard*, nightguard*, mouth guard*, splint*, \
    apicoectom*, gingivectom*, frenectom*, frenulectom*, restorat*, treatment*, therap*, \
    procedure*, treat, treated, treating, your operation, the operation, post op, pre op, \
    postop*, preop*, followup treatment, transplant*, chemo*, dialysis, rehab*, botox, filler, \
    prescri*, medicat*, medicine, dose, dosage, refill";

/// What somebody has.
const CONDITIONS: &str = "\
    diagnos*, symptom*, prognos*, disease*, disorder*, syndrome*, illness*, ailment*, \
    medical condition*, cavit*, caries, decay*, plaque, tartar, calculus, gingiv*, pyorrh*, \
    abscess*, cyst, infect*, inflam*, swell*, swollen, bleed*, bled, ulcer*, lesion*, tumor*, \
    tumour*, cancer*, carcinoma*, malignan*, benign, herpes, cold sore*, canker*, thrush, \
    toothache*, ache, aches, aching, pain, pains, painful, painless, sore*, sensitiv*, \
    hypersensitiv*, fractur*, broken, chipped, cracked, impacted, impaction*, wisdom, \
    malocclusion*, overbite*, underbite*, crossbite*, crowding, bruxism, bruxing, grinding, \
    clench*, tmj, tmd, apnea*, apnoea*, snor*, halitosis, bad breath, xerostomia, recession, \
    receding, mobility, diabet*, hiv, aids, hepatitis, hpv, tuberculosis, pregnan*, asthma*, \
    allerg*, hypertens*, stroke, cardiac, arrhythm*, anxiety, anxious, phobia*, depress*, \
    bipolar, adhd, autis*, dement*, alzheimer*, arthrit*, osteopor*, osteonecro*, leukemia*, \
    lymphoma*, anemi*, epilep*, seizure*, addict*, alcoholi*, obes*, overweight, std, sti, \
    chlamydia, syphilis, covid*, influenza, smoker*, smoking, tobacco, vaping, disabilit*";

/// What somebody takes.
const DRUGS: &str = "\
    drug, antibiotic*, amoxicillin*, penicillin*, augmentin, clindamycin*, azithromycin*, \
    metronidazole*, doxycycline*, cephalexin*, arestin*, ibuprofen*, advil, motrin, tylenol, \
    acetaminophen*, paracetamol*, naproxen*, aspirin*, lidocaine*, articaine*, septocaine*, \
    novocain*, nitrous, laughing gas, opioid*, codeine*, hydrocodone*, oxycodone*, vicodin*, \
    percocet*, tramadol*, valium*, diazepam*, halcion*, triazolam*, lorazepam*, xanax*, \
    chlorhexidine*, peridex*, warfarin*, coumadin*, eliquis*, xarelto*, plavix*, insulin*, \
    metformin*, ozempic*, bisphosphonate*, fosamax*, prolia*, steroid*, prednisone*, \
    methadone*, suboxone*, antidepress*, pill, tablets";

/// The same in Spanish.
const SPANISH: &str = "\
    diente*, dental cleaning, muela*, encia*, boca, bucal*, mandibula*, maxilar*, lengua, \
    paladar*, labio, mejilla, garganta, colmillo*, nervio*, hueso*, raiz, raices, sangr*, \
    corazon, limpieza*, profilaxis, empaste*, obturacion*, corona, puente, implant*, endodonc*, \
    ortodon*, periodon*, conducto, extracc*, blanque*, sellador*, selladores, fluor, fluoruro, \
    frenos, carilla*, dentadura*, protesis, protes*, injerto*, cirug*, quirurgic*, sutura*, \
    punto de sutura*, radiograf*, rayos x, anestes*, ferula, tratamiento*, terapia*, \
    procedimiento*, receta, medicament*, medicina, antibiotic*, vacuna*, enfermedad*, \
    diagnostic*, sintoma*, dolor, infeccion*, inflamacion*, hinchaz*, absceso*, quiste*, \
    ulcera*, sensibilidad*, sarro, placa, gingivitis, diabet*, embaraz*, alergi*, \
    presion arterial, asma, ansiedad*, depresion*, cancer*, tumores, mal aliento, halitosis, \
    ronquido*, bruxismo*, fractura*, caries, picadura*";

/// What says what a person has, had done, or takes.
pub(super) static CLINICAL: List = List::new(&[BODY, PROCEDURES, CONDITIONS, DRUGS, SPANISH]);

/// Money.
pub(super) static FINANCIAL: List = List::new(&["\
    balance*, owe, owed, owing, payment*, pay, payable, paying, paid, unpaid, invoice*, bill, \
    billed, billing, insur*, copay*, co pay*, deductible*, coinsurance, coverage, amount due, \
    past due, statement, debt*, collection agenc*, collections, financ*, benefits, benefit, \
    charge, charged, fee, refund*, medicaid, medicare, hsa, fsa, claim, saldo*, adeud*, deuda*, \
    factura*, pago, pagar, pague, seguro dental, seguro medico, aseguradora*, cobertura, \
    dolares, dollars"]);

/// Offers.
pub(super) static PROMOTIONAL: List = List::new(&["\
    offer*, discount*, free, special, specials, promo*, coupon*, voucher*, sale, deal, deals, \
    bargain*, complimentary, gift*, giveaway*, raffle*, prize*, bonus*, reward*, limited time, \
    act now, half price, half off, percent off, save up, save big, savings, lowest price, \
    low price, cheap*, no cost, on us, cash back, refer a friend, win a, enter to win, \
    sweepstake*, loyalty, credit toward*, gratis, descuento*, oferta*, rebaja*, promocion*, \
    regalo*, cupon*, sorteo*, premio*"]);

/// Something in return for a review.
pub(super) static INCENTIVE: List = List::new(&["\
    gift*, reward*, discount*, free, coupon*, voucher*, raffle*, prize*, giveaway*, bonus*, \
    sweepstake*, enter to win, win, entry, entered, drawing, credit, cash, cashback, money, \
    donat*, offer*, in return, in exchange, thank you gift, incentiv*, starbucks, amazon, \
    percent off, points, gratis, descuento*, regalo*, sorteo*, premio*, cupon*, a cambio, \
    recompensa*, tarjeta de regalo"]);

/// Asking only those who are happy.
pub(super) static GATING: List = List::new(&["\
    star, starred, estrella*, happy, unhappy, satisfied, dissatisfied, unsatisfied, loved, \
    love us, enjoyed, pleased, positive, negative, good review*, great review*, glowing, \
    excellent review*, nice review*, good experience, great experience, great time, \
    great visit, good visit, wonderful experience, bad experience, poor experience, \
    had a problem, any problem*, any issue*, any concern*, complain*, before you post, \
    before posting, before reviewing, call us first, tell us first, contact us first, \
    reach out first, talk to us first, let us know first, come to us first, if you liked, \
    if you like us, like us, went well, not perfect, less than perfect, exceeded, thumbs up, \
    feliz, felices, contento*, contenta*, satisfecho*, satisfecha*, insatisfech*, descontent*, \
    le gusto, le encanto, buena experiencia, mala experiencia, buena resena*, resena positiva*, \
    llamenos primero, hablenos primero, queja*"]);

/// Which day it was.
pub(super) static DAYS: List = List::new(&["\
    monday, tuesday, wednesday, thursday, friday, saturday, sunday, tue, tues, thu, thur, \
    thurs, yesterday*, last week, last night, last month, last year, this morning, \
    this afternoon, earlier today, the other day, days ago, weeks ago, months ago, day ago, \
    week ago, month ago, year ago, years ago, todays visit, todays appointment, visit today, \
    appointment today, visited today, visiting today, saw you today, seeing you today, \
    see you today, came in today, coming in today, visiting us today, visited us today, \
    in today, here today, thanks for today, lunes, martes, miercoles, jueves, viernes, sabado, \
    domingo, ayer, anoche, anteayer, esta manana, esta tarde, semana pasada, mes pasado, \
    visita de hoy, cita de hoy, venir hoy, visitarnos hoy"]);

/// A day needs a number beside them: `May 5`, `5 de mayo`.
pub(super) static MONTHS: List = List::new(&["\
    january, jan, february, feb, march, mar, april, apr, may, june, jun, july, jul, august, \
    aug, september, sept, sep, october, oct, november, nov, december, dec, enero, febrero, \
    marzo, abril, mayo, junio, julio, agosto, septiembre, setiembre, octubre, noviembre, \
    diciembre"]);

/// Who exactly it is.
pub(super) static IDENTITY: List = List::new(&["\
    dob, date of birth, birth date, birthdate, birthday*, born, ssn, social security, \
    chart number, chart no, chart id, patient id, patient number, patient no, patnu*, \
    account number, account no, member id, medical record, mrn, last name, surname, your age, \
    years old, your address, home address, fecha de nacimiento, cumpleanos, numero de paciente, \
    seguro social, apellido*"]);

/// Addresses behind which anybody may stand.
pub(super) static SHORTENERS: List = List::new(&["\
    bit.ly, bitly.com, j.mp, tinyurl.com, tiny.cc, tiny.one, t.co, t.ly, goo.gl, ow.ly, is.gd, \
    v.gd, buff.ly, rebrand.ly, cutt.ly, rb.gy, shorturl.at, shorturl.com, lnkd.in, bl.ink, \
    s.id, tr.im, soo.gd, adf.ly, bit.do, fb.me, mcaf.ee, qr.ae, dlvr.it, snip.ly, short.io, \
    short.gy, shorte.st, kutt.it, urlz.fr, x.co, trib.al, clck.ru, u.to, hyperurl.co, \
    smarturl.it, gg.gg, t2m.io, shrtco.de, chilp.it, ity.im, linktr.ee, da.gd, n9.cl, surl.li, \
    tinylink.net, t.me, wa.me"]);

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: [&List; 9] = [
        &SPECIALTY,
        &CLINICAL,
        &FINANCIAL,
        &PROMOTIONAL,
        &INCENTIVE,
        &GATING,
        &DAYS,
        &MONTHS,
        &IDENTITY,
    ];

    #[test]
    fn every_entry_is_written_as_texts_are_compared() {
        for entry in LISTS.iter().flat_map(|list| list.phrases()) {
            assert_eq!(fold(entry), entry);
            let again: Vec<_> = tokens(entry).collect();
            assert_eq!(
                again.join(" "),
                entry.trim_end_matches('*').replace("* ", " "),
                "{entry}"
            );
        }
    }

    #[test]
    fn every_entry_is_found_in_capitals_and_only_as_a_whole_word() {
        for list in LISTS {
            for entry in list.phrases() {
                let text = fold(&entry.replace('*', "").to_uppercase());
                let words: Vec<_> = tokens(&text).collect();
                assert!(at_start(list, &words).is_some(), "{entry}");
            }
        }
        let words = vec![Cow::Borrowed("legumes")];
        assert_eq!(at_start(&CLINICAL, &words), None);
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        for text in [
            "ＩＭＰＬＡＮＴ",
            "im\u{200b}plant",
            "im\u{ad}plant",
            "implаnt",
            "İmplant",
            "𝓲𝓶𝓹𝓵𝓪𝓷𝓽",
            "ímplànt",
            "i\u{2060}mplant",
        ] {
            assert_eq!(fold(text), "implant", "{text}");
        }
        assert_eq!(fold("It’s\na visit"), "it's\na visit");
        assert_eq!(fold("It`s\nA {visit}"), fold("It’s\nA\u{200b} {visit}"));
        assert_eq!(fold("стоп"), "стоп");
    }
}
