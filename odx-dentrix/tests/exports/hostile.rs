//! Files that are made to hurt are refused, and soon.

use std::io::Write as _;
use std::time::{Duration, Instant};

use odx_dentrix::wire::Class;

use crate::{fixture, job, read, read_bytes};

fn refused(what: &str, class: Class, bytes: &[u8]) {
    let begun = Instant::now();
    let why = read_bytes(bytes, |_| {}).map(|_| ()).unwrap_err();
    assert_eq!(why.class, class, "{what}: {why:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{what} took {:?}",
        begun.elapsed()
    );
}

/// A zip of deflated parts.
fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let at = file.len() as u32;
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut packer =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(content).unwrap();
        let packed = packer.finish().unwrap();
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        file.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), &packed].concat());
        directory.extend(
            [
                b"PK\x01\x02\x14\0",
                common.as_slice(),
                &[0; 10],
                &at.to_le_bytes(),
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let at = file.len() as u32;
    let count = (parts.len() as u16).to_le_bytes();
    file.extend(&directory);
    file.extend([b"PK\x05\x06\0\0\0\0", count.as_slice(), &count].concat());
    file.extend([(directory.len() as u32).to_le_bytes(), at.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

/// The parts of a workbook: its list of sheets, and its first sheet.
fn workbook(sheets: &str, sheet: &[u8]) -> Vec<u8> {
    let types = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let book = format!(
        r#"<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{sheets}</sheets></workbook>"#
    );
    let to_book = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    let to_sheet = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
    );
    zip(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", to_book.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", to_sheet.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}

const SHEET: &str = r#"<sheet name="a" sheetId="1" r:id="r1"/>"#;

#[test]
fn a_workbook_that_inflates_is_refused_before_it_does() {
    let bomb = workbook(SHEET, &vec![b' '; 96 << 20]);
    assert!(bomb.len() < 1 << 20);
    refused("more than the limit", Class::TooLarge, &bomb);
    let steep = workbook(SHEET, &vec![b' '; 32 << 20]);
    refused("more than any sheet", Class::TooLarge, &steep);
}

#[test]
fn a_workbook_that_lies_about_its_size_is_refused() {
    let mut lie = workbook(SHEET, &vec![b' '; 96 << 20]);
    let real = (96_u32 << 20).to_le_bytes();
    let places: Vec<usize> = lie
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == real)
        .map(|(at, _)| at)
        .collect();
    for at in places {
        lie[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    refused("a lie", Class::TooLarge, &lie);
}

#[test]
fn ten_thousand_sheets_are_no_report() {
    let sheets: String = (0..10_000)
        .map(|n| format!(r#"<sheet name="s{n}" sheetId="{}" r:id="r1"/>"#, n + 1))
        .collect();
    refused(
        "sheets",
        Class::TooLarge,
        &workbook(&sheets, b"<worksheet><sheetData/></worksheet>"),
    );
}

#[test]
fn a_hundred_thousand_parts_are_no_workbook() {
    let empty = vec![("x", b"".as_slice()); 60_000];
    refused("parts", Class::TooLarge, &zip(&empty));
}

#[test]
fn strings_that_are_only_promised_take_no_memory() {
    let table = br#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="1" uniqueCount="90000000000"></sst>"#;
    refused(
        "strings",
        Class::TooLarge,
        &zip(&[("xl/sharedStrings.xml", table)]),
    );
}

#[test]
fn two_cells_far_apart_take_no_memory() {
    let sheet = br#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>"#;
    refused("far apart", Class::TooLarge, &workbook(SHEET, sheet));
}

#[test]
fn a_line_that_never_ends_is_refused() {
    refused(
        "long",
        Class::TooLarge,
        &[vec![b'x'; 40 << 20], vec![b'\n']].concat(),
    );
    refused(
        "quoted",
        Class::TooLarge,
        &[b"\"".to_vec(), vec![b'x'; 40 << 20], b"\"\n".to_vec()].concat(),
    );
    refused(
        "a page",
        Class::TooLarge,
        &[
            b"<table><tr><td>".to_vec(),
            vec![b'x'; 40 << 20],
            b"</table>".to_vec(),
        ]
        .concat(),
    );
}

#[test]
fn a_sparse_gigabyte_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recall.csv");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let begun = Instant::now();
    assert_eq!(
        read(&job(&path)).map(|_| ()).unwrap_err().class,
        Class::TooLarge
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
    std::fs::File::create(&path)
        .unwrap()
        .set_len(32 << 20)
        .unwrap();
    assert_eq!(
        read(&job(&path)).map(|_| ()).unwrap_err().class,
        Class::Incomplete
    );
}

fn pdf(objects: &[u8]) -> Vec<u8> {
    let mut file = [b"%PDF-1.4\n", objects].concat();
    let at = file.len();
    file.extend(format!("xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n").bytes());
    file
}

#[test]
fn a_pdf_that_inflates_is_refused() {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&vec![b' '; 96 << 20]).unwrap();
    let packed = packer.finish().unwrap();
    let head = format!(
        "1 0 obj\n<</Filter/FlateDecode/Length {}>>\nstream\n",
        packed.len()
    );
    let object = [head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat();
    refused("a stream", Class::TooLarge, &pdf(&object));
}

/// A PDF of these objects, each where its table of contents says.
fn printed(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{} 0 obj\n", number + 1).bytes());
        file.extend([object.as_slice(), b"\nendobj\n"].concat());
    }
    let end = format!(
        "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{}\n%%EOF\n",
        objects.len() + 1,
        file.len()
    );
    file.extend([table.as_bytes(), end.as_bytes()].concat());
    file
}

fn stream(dictionary: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("<<{dictionary}/Length {}>>\nstream\n", content.len());
    [head.as_bytes(), content, b"\nendstream"].concat()
}

/// A page that draws an object and shows a line of text.
fn page(drawn: Vec<u8>) -> Vec<u8> {
    let text = b"/X Do BT /F 10 Tf 1 0 0 1 50 700 Tm (Due Date) Tj ET";
    printed(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 6 0 R>>/XObject<</X 5 0 R>>>>>>".to_vec(),
        stream("", text),
        drawn,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
    ])
}

#[test]
fn forms_that_hold_themselves_are_refused() {
    let own = stream(
        "/Type/XObject/Subtype/Form/Resources<</XObject<</X 5 0 R>>>>",
        b"/X Do",
    );
    refused("itself", Class::TooLarge, &page(own));
    let inherited = stream("/Type/XObject/Subtype/Form", b"/X Do");
    refused("itself by its page", Class::TooLarge, &page(inherited));
}

#[test]
fn a_logo_is_no_obstacle() {
    let logo = stream(
        "/Type/XObject/Subtype/Image/Width 4/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8",
        b"((\\Q Tj",
    );
    let why = read_bytes(&page(logo), |_| {}).map(|_| ()).unwrap_err();
    assert!(
        why.what.contains("columns' names"),
        "its text was read: {why:?}"
    );
}

#[test]
fn a_scan_says_what_it_is() {
    let mut scan = page(stream("/Type/XObject/Subtype/Image/Width 1/Height 1", b"x"));
    let at = scan
        .windows(10)
        .position(|window| window == b"(Due Date)")
        .unwrap();
    scan[at..at + 10].copy_from_slice(b"(        )");
    let why = read_bytes(&scan, |_| {}).map(|_| ()).unwrap_err();
    assert!(why.what.contains("picture"), "{why:?}");
}

#[test]
fn arrays_in_arrays_do_not_overflow_anything() {
    let nested = [
        b"1 0 obj\n".to_vec(),
        vec![b'['; 200_000],
        vec![b']'; 200_000],
        b"\nendobj\n".to_vec(),
    ]
    .concat();
    refused("arrays", Class::NoReport, &pdf(&nested));
}

#[test]
fn more_rows_than_expected_are_refused() {
    let mut job = job(fixture("recall.csv"));
    job.max_rows = 25;
    assert_eq!(read(&job).map(|_| ()).unwrap_err().class, Class::TooLarge);
    job.max_rows = 26;
    assert!(read(&job).is_ok());
}

#[test]
fn folders_missing_files_and_empty_ones_are_no_reports() {
    let folder = tempfile::tempdir().unwrap();
    for (path, class) in [
        (folder.path().to_owned(), Class::NoReport),
        (folder.path().join("nothing"), Class::NoReport),
    ] {
        assert_eq!(read(&job(path)).map(|_| ()).unwrap_err().class, class);
    }
    refused("empty", Class::Incomplete, b"");
    refused("no report", Class::NoReport, b"hello\nworld\n");
}

#[cfg(unix)]
#[test]
fn queues_and_links_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let queue = folder.path().join("queue.csv");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&queue)
            .status()
            .unwrap()
            .success()
    );
    let link = folder.path().join("link.csv");
    std::os::unix::fs::symlink(fixture("recall.csv"), &link).unwrap();
    for path in [queue, link] {
        let begun = Instant::now();
        assert_eq!(
            read(&job(path)).map(|_| ()).unwrap_err().class,
            Class::NoReport
        );
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn no_message_quotes_what_a_file_holds() {
    let text =
        String::from_utf8_lossy(&std::fs::read(fixture("patient_list.csv")).unwrap()).into_owned();
    for line in 0..text.lines().count() {
        let short: Vec<&str> = text
            .lines()
            .enumerate()
            .filter(|(n, _)| *n != line)
            .map(|(_, line)| line)
            .collect();
        let bytes = short.join("\r\n") + "\r\n";
        let Err(why) = read_bytes(bytes.as_bytes(), |job| job.columns.truncate(1)) else {
            continue;
        };
        for canary in ["Marchetti", "MA0101", "801", "example.com", "04/12/1979"] {
            assert!(!why.what.contains(canary), "{}", why.what);
        }
    }
}
