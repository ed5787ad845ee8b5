//! `ShortQuery`: what passes the screen, what comes back, and what the office's tables hold.

use super::*;

fn office(builder: PracticeBuilder) -> Practice {
    builder
        .with_permissions(&[Permission::ReadAll, Permission::Queries])
        .build()
        .unwrap()
}

async fn run(client: &Client, sql: &str) -> Got {
    client.ask(sql, "").await
}

/// Rows of a statement that must work.
async fn rows(client: &Client, sql: &str) -> Vec<Value> {
    let got = run(client, sql).await;
    assert_eq!(got.status, 200, "{sql}: {}", got.text());
    got.rows()
}

async fn one(client: &Client, value: &str) -> Value {
    let rows = rows(client, &format!("SELECT {value} AS v")).await;
    rows[0]["v"].clone()
}

#[tokio::test]
async fn a_query_needs_the_queries_permission_and_not_read_all() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    assert_eq!(run(&client, "SELECT 1").await.status, 401);
    practice.grant(Permission::Queries);
    practice.revoke(Permission::ReadAll);
    assert_eq!(run(&client, "SELECT 1").await.status, 200);
    assert_eq!(client.get("/clinics").await.status, 401);
    practice.update_program("21.1.9").unwrap();
    assert_eq!(run(&client, "SELECT 1").await.status, 400);
}

#[tokio::test]
async fn only_one_reading_statement_passes_the_screen() {
    let practice = office(Practice::builder(1));
    let before = practice.patients();
    let client = Client::of(&practice).await;
    for (sql, status) in [
        ("SELECT 1;", 200),
        ("  /* why */ SELECT 1 -- done", 200),
        ("(SELECT 1) UNION ALL (SELECT 2)", 200),
        ("SELECT ';DELETE FROM patient'", 200),
        ("DELETE FROM patient", 401),
        ("update patient set LName=''", 401),
        ("DROP TABLE patient", 401),
        ("SET x=1", 401),
        ("SELECT 1; DELETE FROM patient", 401),
        ("SELECT 1; SELECT 2", 401),
        ("SELECT * FROM patient INTO OUTFILE 'x'", 401),
        ("SELECT * FROM patient FOR UPDATE", 401),
        ("SELECT table_name FROM information_schema.tables", 401),
        ("SELECT 'a Schema of colours'", 401),
        ("SELEC 1", 401),
        ("", 400),
        ("SELECT FROM", 400),
        ("SELECT nothing FROM patient", 400),
        ("SELECT 1 FROM payperiod", 400),
        ("SELECT 'open", 400),
        ("SELECT 'null\\0byte'", 400),
        // Later than MySQL 5.5, or of another database.
        ("WITH x AS (SELECT 1) SELECT * FROM x", 400),
        (
            "SELECT ROW_NUMBER() OVER (ORDER BY PatNum) FROM patient",
            400,
        ),
        ("SELECT JSON_ARRAY(1)", 400),
        ("SELECT LName || FName FROM patient", 400),
        ("SELECT strftime('%Y', 'now')", 400),
        ("SELECT CAST(1 AS TEXT)", 400),
        // The simulator's own tables.
        ("SELECT * FROM main.patient", 400),
        ("SELECT * FROM sqlite_master", 400),
    ] {
        let got = run(&client, sql).await;
        assert_eq!(got.status, status, "{sql}: {}", got.text());
    }
    assert!(practice.patients() == before);
    let open = office(Practice::builder(1).with_schema_refused(false));
    let client = Client::of(&open).await;
    assert_eq!(
        one(&client, "'a Schema of colours'").await,
        "a Schema of colours"
    );
}

#[tokio::test]
async fn a_body_without_a_statement_is_a_400() {
    let client = Client::of(&office(Practice::builder(1))).await;
    for body in ["", "{}", "[]", "{\"SqlCommand\": 5}", "SELECT 1"] {
        let got = client.send("PUT", "/queries/ShortQuery", body).await;
        assert_eq!(got.status, 400, "{body}");
    }
    let sql = r#"{"SqlCommand": "SELECT 1"}"#;
    assert_eq!(
        client.send("POST", "/queries/ShortQuery", sql).await.status,
        404
    );
    assert_eq!(
        client.send("PUT", "/queries/shortquery", sql).await.status,
        404
    );
}

#[tokio::test]
async fn the_printed_queries_run_where_their_tables_are_simulated() {
    let practice = office(Practice::builder(1).with_clinics(2));
    let client = Client::of(&practice).await;
    for (body, status) in [
        (
            include_str!("../../../tests/fixtures/queries.shortquery.put.request.json"),
            200,
        ),
        (
            include_str!("../../../tests/fixtures/queries.shortquery.put.request.2.json"),
            200,
        ),
        (
            include_str!("../../../tests/fixtures/queries.shortquery.put.request.3.json"),
            400,
        ),
    ] {
        let got = client.send("PUT", "/queries/ShortQuery", body).await;
        assert_eq!(got.status, status, "{}", got.text());
    }
    let counted = client
        .send(
            "PUT",
            "/queries/ShortQuery",
            include_str!("../../../tests/fixtures/queries.shortquery.put.request.2.json"),
        )
        .await;
    assert!(
        counted
            .text()
            .starts_with(r#"[{"Description":"Clinic1","NumberOfPatients":"#)
    );
}

#[tokio::test]
async fn dates_are_printed_as_the_page_prints_them() {
    let practice = office(Practice::builder(1));
    let patient = practice.add_patient(PatientRow::new("Query", "Dates"));
    let mut recall = RecallRow::new(patient, 1);
    recall.date_due = "2021-05-01".to_owned();
    let recall = practice.add_recall(recall);
    let client = Client::of(&practice).await;
    let printed = include_str!("../../../tests/fixtures/queries.shortquery.put.response.json");
    assert!(printed.contains("\"2021-05-01T00:00:00\""));
    let sql = format!(
        "SELECT RecallNum, DateDue, DatePrevious, DateTStamp, MIN(DateDue) AS first, \
         CONCAT(DateDue) AS joined, GROUP_CONCAT(DateDue) AS list, \
         DATE_FORMAT(DateDue,'%Y-%m-%d') AS formatted, CAST(DateTStamp AS CHAR) AS casted \
         FROM recall WHERE RecallNum={recall}"
    );
    assert_eq!(
        run(&client, &sql).await.text(),
        format!(
            "[{{\"RecallNum\":{recall},\"DateDue\":\"2021-05-01T00:00:00\",\
             \"DatePrevious\":\"0001-01-01T00:00:00\",\"DateTStamp\":\"2026-11-20T09:00:00\",\
             \"first\":\"2021-05-01T00:00:00\",\"joined\":\"2021-05-01\",\
             \"list\":\"2021-05-01\",\"formatted\":\"2021-05-01\",\
             \"casted\":\"2026-11-20 09:00:00\"}}]"
        )
    );
}

#[tokio::test]
async fn values_are_what_the_database_holds() {
    let practice = office(
        Practice::builder(3)
            .with_clinics(1)
            .with_clinic_time_zone("Somewhere"),
    );
    let mut row = PatientRow::new("Raw", "Values");
    for (field, name) in [
        (&mut row.pat_status, "Deceased"),
        (&mut row.gender, "Other"),
        (&mut row.position, "Divorced"),
        (&mut row.prefer_recall_method, "TextMessage"),
        (&mut row.txt_msg_ok, "No"),
        (&mut row.short_code_opt_in, "No"),
        (&mut row.billing_type, "Payment Plan"),
    ] {
        name.clone_into(field);
    }
    row.premed = true;
    row.est_balance = 12.5;
    let patient = practice.add_patient(row);
    let mut recall = RecallRow::new(patient, 1);
    recall.priority = "ASAP".to_owned();
    recall.is_disabled = true;
    recall.date_due_calc = "2026-02-03".to_owned();
    practice.add_recall(recall);
    let mut visit = AppointmentRow::new(patient, "2027-01-01 10:00:00");
    visit.apt_status = "PtNoteCompleted".to_owned();
    practice.add_appointment(visit);
    let client = Client::of(&practice).await;
    let sql = format!(
        "SELECT p.PatStatus, p.Gender, p.Position, p.PreferRecallMethod, p.TxtMsgOk, \
         p.ShortCodeOptIn, d.ItemName, p.Premed, p.EstBalance, r.RecallInterval, r.Priority, \
         r.IsDisabled, r.DateDueCalc, a.AptStatus, a.AptDateTime, NULL AS missing, p.SuperFamily \
         FROM patient p JOIN recall r ON r.PatNum=p.PatNum \
         LEFT JOIN appointment a ON a.PatNum=p.PatNum \
         JOIN definition d ON d.DefNum=p.BillingType AND d.Category=4 WHERE p.PatNum={patient}"
    );
    assert_eq!(
        run(&client, &sql).await.text(),
        "[{\"PatStatus\":5,\"Gender\":3,\"Position\":4,\"PreferRecallMethod\":8,\"TxtMsgOk\":2,\
         \"ShortCodeOptIn\":2,\"ItemName\":\"Payment Plan\",\"Premed\":1,\"EstBalance\":12.5,\
         \"RecallInterval\":393217,\"Priority\":1,\"IsDisabled\":1,\
         \"DateDueCalc\":\"2026-02-03T00:00:00\",\"AptStatus\":8,\
         \"AptDateTime\":\"2027-01-01T10:00:00\",\"missing\":null,\"SuperFamily\":0}]"
    );
    let interval = "SELECT DefaultInterval v FROM recalltype WHERE RecallTypeNum=4";
    assert_eq!(rows(&client, interval).await[0]["v"], 16_777_216);
    let zone = rows(&client, "SELECT TimeZone FROM clinic").await;
    assert_eq!(zone[0]["TimeZone"], "Somewhere");
    for table in [
        "preference",
        "provider",
        "computer",
        "signalod",
        "apikey",
        "operatory",
        "deletedobject",
        "patientlink",
        "commoptout",
        "reactivation",
        "histappointment",
        "recalltype",
    ] {
        rows(&client, &format!("SELECT * FROM {table}")).await;
    }
    let keys = run(&client, "SELECT * FROM apikey").await.text();
    assert!(!keys.contains(practice.customer_key()));
}

#[tokio::test]
async fn a_deleted_patient_stays_in_the_table() {
    let practice = office(Practice::builder(3));
    let gone = practice.patients()[0].pat_num;
    practice.delete_patient(gone);
    let client = Client::of(&practice).await;
    let found = rows(&client, "SELECT PatNum FROM patient WHERE PatStatus=4").await;
    assert_eq!(keys(&found, "PatNum"), [gone]);
}

#[tokio::test]
async fn dates_compare_as_dates_with_days_and_moments() {
    let practice = office(Practice::builder(1).with_patients(0));
    let patient = practice.add_patient(PatientRow::new("Compare", "Dates"));
    let mut recall = RecallRow::new(patient, 1);
    recall.date_due = "2026-05-01".to_owned();
    practice.add_recall(recall);
    practice.add_appointment(AppointmentRow::new(patient, "2026-05-01 00:00:00"));
    practice.add_appointment(AppointmentRow::new(patient, "2026-05-01 08:30:00"));
    let client = Client::of(&practice).await;
    for (table, condition, count) in [
        ("recall", "DateDue>='2026-05-01 00:00:00'", 1),
        ("recall", "DateDue<'2026-05-01 00:00:00'", 0),
        ("recall", "DateDue<'2026-05-01 00:00:01'", 1),
        ("recall", "DateDue='2026-05-01'", 1),
        ("recall", "DateDue BETWEEN '2026-04-30' AND '2026-05-01'", 1),
        ("recall", "DatePrevious='0001-01-01'", 1),
        ("recall", "DateTStamp>='2026-11-20 09:00:00'", 1),
        ("recall", "DateTStamp>'2026-11-20 09:00:00'", 0),
        ("recall", "DateTStamp>NOW()", 0),
        ("recall", "DateDue<CURDATE()", 1),
        ("appointment", "AptDateTime>='2026-05-01'", 2),
        ("appointment", "AptDateTime>'2026-05-01'", 1),
        ("appointment", "AptDateTime='2026-05-01'", 1),
        ("appointment", "AptDateTime<'2026-05-02'", 2),
        (
            "appointment a JOIN recall r ON r.PatNum=a.PatNum",
            "a.AptDateTime=r.DateDue",
            1,
        ),
    ] {
        let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE {condition}");
        assert_eq!(rows(&client, &sql).await[0]["n"], count, "{condition}");
    }
}

#[tokio::test]
async fn functions_answer_as_the_vendors_server_does() {
    let practice = office(Practice::builder(1).with_time_zone(chrono_tz::America::New_York));
    let client = Client::of(&practice).await;
    for (value, answer) in [
        ("IFNULL(NULL,3)", Value::from(3)),
        ("IF(1>2,'a','b')", Value::from("b")),
        ("CONCAT('a',1,'b')", Value::from("a1b")),
        ("CONCAT('a',NULL)", Value::Null),
        ("CONCAT_WS('|','a',NULL,2)", Value::from("a|2")),
        ("CAST(5 AS CHAR)", Value::from("5")),
        ("CAST('12' AS SIGNED)", Value::from(12)),
        ("NOW()", Value::from("2026-11-20T09:00:00")),
        ("CURRENT_TIMESTAMP", Value::from("2026-11-20T09:00:00")),
        ("CURDATE()", Value::from("2026-11-20T00:00:00")),
        ("UTC_TIMESTAMP()", Value::from("2026-11-20T14:00:00")),
        (
            "TIMESTAMPDIFF(MINUTE,UTC_TIMESTAMP(),NOW())",
            Value::from(-300),
        ),
        (
            "TIMESTAMPDIFF(MONTH,'2026-01-31','2026-03-01')",
            Value::from(1),
        ),
        (
            "UNIX_TIMESTAMP('2026-11-20 09:00:00')",
            Value::from(1_795_183_200),
        ),
        (
            "DATE_FORMAT('2026-11-20','%m/%d/%Y')",
            Value::from("11/20/2026"),
        ),
        ("DATEDIFF('2026-11-20','2026-11-01')", Value::from(19)),
        ("LEFT('Schiller',3)", Value::from("Sch")),
        ("COALESCE(NULL,'x')", Value::from("x")),
        ("GREATEST(1,3,2)", Value::from(3)),
        ("\"it's\"", Value::from("it's")),
        ("'it\\'s'", Value::from("it's")),
        ("393217>>16", Value::from(6)),
    ] {
        assert_eq!(one(&client, value).await, answer, "{value}");
    }
    let list = "SELECT GROUP_CONCAT(DISTINCT ItemOrder) a, GROUP_CONCAT(ItemName, ItemOrder \
                ORDER BY ItemOrder DESC SEPARATOR ';') b FROM definition WHERE Category=1";
    let found = rows(&client, list).await;
    assert_eq!(found[0]["a"], "0,1,2");
    assert_eq!(
        found[0]["b"],
        "Cash Discount2;Professional Discount1;Sales Tax0"
    );
}

#[tokio::test]
async fn a_long_list_is_cut_at_1024() {
    let list = "SELECT GROUP_CONCAT(PrefName) AS list FROM preference";
    for (cut, length) in [(true, 1024), (false, 1024)] {
        let practice = office(Practice::builder(1).with_group_concat_cut(cut));
        let found = rows(&Client::of(&practice).await, list).await;
        let found = found[0]["list"].as_str().unwrap().len();
        assert!(
            if cut { found == length } else { found > length },
            "{found}"
        );
    }
}

#[tokio::test]
async fn a_query_gives_100_rows_at_most_in_every_mode() {
    let practice = office(Practice::builder(1));
    practice.grant(Permission::Enterprise);
    let all = practice.patients().len();
    assert_eq!(all, 200);
    for mode in [Mode::Remote, Mode::Service, Mode::Local] {
        let client = Client::in_mode(&practice, mode).await;
        let sql = "SELECT PatNum FROM patient ORDER BY PatNum";
        assert_eq!(rows(&client, sql).await.len(), 100);
        let later = client.ask(sql, "?Offset=130").await.rows();
        assert_eq!(later.len(), 70);
        assert_eq!(later[0]["PatNum"], practice.patients()[130].pat_num);
        assert!(client.ask(sql, "?Offset=900").await.rows().is_empty());
    }
    let logged = practice.requests();
    assert_eq!(logged[0].rows, 100);
    assert!(
        logged[0]
            .sql
            .as_deref()
            .unwrap()
            .starts_with("SELECT PatNum")
    );
    assert!(!format!("{logged:?}").contains("SELECT"));
}

#[tokio::test]
async fn an_offset_can_give_every_remaining_row() {
    let practice = office(
        Practice::builder(1)
            .with_patients(350)
            .with_endless_query_offset(true),
    );
    let client = Client::of(&practice).await;
    let sql = "SELECT PatNum FROM patient ORDER BY PatNum";
    assert_eq!(rows(&client, sql).await.len(), 100);
    assert_eq!(client.ask(sql, "?Offset=100").await.rows().len(), 250);
}

#[tokio::test]
async fn an_offset_runs_the_statement_again() {
    let practice = office(Practice::builder(1));
    let client = Client::of(&practice).await;
    let sql = "SELECT PatNum FROM patient ORDER BY PatNum";
    let first = rows(&client, sql).await;
    // One row more in front: everything moves.
    practice
        .faults()
        .drift(DriftPlan::insert_low_key(Listing::Patients, 1));
    client.get("/patients/Simple").await;
    let second = client.ask(sql, "?Offset=100").await.rows();
    assert_eq!(first[99], second[0]);
}

#[tokio::test]
async fn rows_come_in_no_order_unless_one_is_asked_for() {
    let practice = office(Practice::builder(1).with_unordered_queries(true));
    let client = Client::of(&practice).await;
    let ordered = "SELECT PatNum FROM patient ORDER BY PatNum LIMIT 100";
    let plain = "SELECT PatNum FROM patient LIMIT 100";
    let wanted = keys(&rows(&client, ordered).await, "PatNum");
    assert_eq!(keys(&rows(&client, ordered).await, "PatNum"), wanted);
    let (first, second) = (rows(&client, plain).await, rows(&client, plain).await);
    assert_eq!((first.len(), second.len()), (100, 100));
    assert_ne!(first, second);
    let mut sorted = keys(&first, "PatNum");
    sorted.sort_unstable();
    assert_ne!(sorted, wanted, "LIMIT takes any rows");
}

#[tokio::test]
async fn names_that_come_again_are_counted_on() {
    let client = Client::of(&office(Practice::builder(1))).await;
    let sql = "SELECT p.PatNum, r.PatNum, COUNT(*) FROM patient p JOIN recall r \
               ON r.PatNum=p.PatNum GROUP BY p.PatNum LIMIT 1";
    let text = run(&client, sql).await.text();
    assert!(text.starts_with("[{\"PatNum\":"), "{text}");
    assert!(
        text.contains("\"PatNum1\":") && text.contains("\"COUNT(*)\":"),
        "{text}"
    );
}

#[tokio::test]
async fn one_joined_row_per_patient_reads_a_whole_office_in_keyset_pages() {
    for random in [false, true] {
        let mut builder = Practice::builder(9).with_patients(230);
        if random {
            builder = builder.with_random_primary_keys();
        }
        let practice = office(builder);
        let client = Client::of(&practice).await;
        let (mut last, mut seen) = (0, Vec::new());
        loop {
            let page = rows(
                &client,
                &format!(
                    "SELECT p.PatNum,p.LName,p.PatStatus,r.RecallNum,r.DateDue,\
                     (SELECT MAX(a.AptDateTime) FROM appointment a WHERE a.PatNum=p.PatNum \
                     AND a.AptStatus=2) AS lastVisit,(SELECT MIN(a.AptDateTime) FROM appointment a \
                     WHERE a.PatNum=p.PatNum AND a.AptStatus=1 AND a.AptDateTime>=CURDATE()) AS \
                     nextVisit FROM patient p LEFT JOIN recall r ON r.PatNum=p.PatNum AND \
                     r.RecallTypeNum=1 WHERE p.PatNum>{last} ORDER BY p.PatNum LIMIT 100"
                ),
            )
            .await;
            seen.extend(keys(&page, "PatNum"));
            for row in &page {
                for name in ["DateDue", "lastVisit", "nextVisit"] {
                    let text = row[name].as_str();
                    assert!(text.is_none_or(|text| text.len() == 19 && text.contains('T')));
                }
            }
            if page.len() < 100 {
                break;
            }
            last = *seen.last().unwrap();
        }
        let truth: Vec<i64> = practice.patients().iter().map(|row| row.pat_num).collect();
        assert_eq!(seen, truth);
        assert_eq!(practice.requests().len(), 3);
    }
}
