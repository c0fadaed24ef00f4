//! The money rules, line by line: what is done, and what is refused with which code.

use crate::table::check;

macro_rules! tables {
    ($($(#[$docs:meta])* $name:ident = $table:literal;)+) => {
        /// Every table, for the test that each refusal has a line.
        pub const TABLES: &[&str] = &[$($table),+];

        $($(#[$docs])* #[test] fn $name() { check($table); })+
    };
}

tables! {
    granting = "
        balance USD                               => 1000.00
        grant A1 100 USD                          => accorde 0.00 100.00
        balance USD                               => 900.00
        balance CDF                               => 500000.00
        grant A2 0.01 USD                         => accorde 0.00 0.01
        grant A3 500000 CDF                       => accorde 0.00 500000.00
        balance CDF                               => 0.00
        grant A4 0.01 CDF                         => ! insufficient_share
        grant A4 900 USD                          => ! insufficient_share
        grant A4 899.99 USD                       => accorde 0.00 899.99
        grant A5 0.01 USD                         => ! insufficient_share
        balance USD                               => 0.00
    ";

    /// Trimmed and upper-cased, a reference is used once; cancelling does not free it.
    references = "
        grant cred-1 1 USD                        => accorde 0.00 1.00
        grant CRED-1 1 USD                        => ! reference_taken
        grant Cred-1 2 USD                        => ! reference_taken
        cancel CRED-1                             => annule 0.00 1.00
        grant cred-1 1 USD                        => ! reference_taken
        show cred-1                               => annule 0.00 1.00
        show Cred-1                               => annule 0.00 1.00
        show CRED                                 => ! unknown_credit
        show cr_aaaaaaaaaaaaaaaa                  => ! unknown_credit
        history nothing                           => ! unknown_credit
        till:   grant T1 1 USD                    => accorde 0.00 1.00
        office: grant T1 1 USD                    => accorde 0.00 1.00
        meet
        show T1                                   => ! ambiguous_reference
        pay T1 1                                  => ! ambiguous_reference
        cancel T1                                 => ! ambiguous_reference
        edit T1 name=X                            => ! ambiguous_reference
        grant T1 1 USD                            => ! reference_taken
    ";

    fields_of_a_grant = "
        grant A1 0 USD                            => ! invalid_field
        grant A1 1 USD name=_                     => ! invalid_field
        grant A1 1 USD phone=123456789012345678901 => ! invalid_field
        grant A1 1 USD to_shop=9                  => ! unknown_shop
        grant A1 1 USD sim=+243999999999          => ! unknown_sim
        balance USD sim=+243999999999             => ! unknown_sim
        movements sim=+243999999999               => ! unknown_sim
        grant A1 1 USD phone=12345678901234567890 to_shop=2 due=30 notes=to_the_brother => accorde 0.00 1.00
    ";

    sims_of_shops = "
        till:   grant A1 1 USD sim=+243990000002  => ! sim_of_another_shop
        branch: grant A1 1 USD sim=+243971777631  => ! sim_of_another_shop
        branch: deposit m1 1 USD                  => ! sim_of_another_shop
        branch: grant A1 1 USD sim=+243990000002  => accorde 0.00 1.00
        office: grant A2 1 USD sim=+243990000002  => accorde 0.00 1.00
        office: balance USD sim=+243990000002     => 99.00
        branch: balance USD sim=+243990000002     => 99.00
    ";

    paying = "
        grant A1 100 USD                          => accorde 0.00 100.00
        pay A1 40                                 => partiellementPaye 40.00 60.00
        pay A1 60.01                              => ! payment_exceeds_remaining
        pay A1 59.99                              => partiellementPaye 99.99 0.01
        pay A1 0.02                               => ! payment_exceeds_remaining
        pay A1 0.01                               => paye 100.00 0.00
        pay A1 0.01                               => ! credit_paid
        balance USD                               => 900.00
        grant A2 100 USD                          => accorde 0.00 100.00
        pay A2 100.01                             => ! payment_exceeds_remaining
        pay A2 100                                => paye 100.00 0.00
        history A1                                => grant pay pay pay
    ";

    amounts_of_payments = "
        grant A1 100 USD                          => accorde 0.00 100.00
        pay A1 0                                  => ! invalid_field
        pay A1 -0                                 => ! invalid_field
        pay A1 -1                                 => ! amount_negative
        pay A1 1.005                              => ! amount_too_many_decimals
        pay A1 1e2                                => ! amount_not_a_number
        pay A1 1,5                                => ! amount_not_a_number
        pay A1 10000000000000                     => ! amount_too_large
        pay A1 9223372036854775808                => ! amount_too_large
        pay A2 1                                  => ! unknown_credit
        pay A2 rubbish                            => ! unknown_credit
    ";

    reversing_a_payment = "
        grant A1 100 USD                          => accorde 0.00 100.00
        pay A1 30                                 => partiellementPaye 30.00 70.00
        pay A1 70                                 => paye 100.00 0.00
        unpay A1 1                                => partiellementPaye 70.00 30.00
        unpay A1 1                                => ! payment_reversed
        pay A1 31                                 => ! payment_exceeds_remaining
        unpay A1 2                                => accorde 0.00 100.00
        unpay A1 pm_aaaaaaaaaaaaaaaa              => ! unknown_payment
        unpay A1 rubbish                          => ! unknown_payment
        unpay A2 rubbish                          => ! unknown_credit
        pay A1 100                                => paye 100.00 0.00
        unpay A1 3 why=_                          => ! invalid_field
        grant A2 10 USD                           => accorde 0.00 10.00
        balance USD                               => 890.00
        history A1                                => grant pay pay reverse_payment reverse_payment pay
    ";

    cancelling = "
        grant A1 100 USD                          => accorde 0.00 100.00
        cancel A1 why=_                           => ! invalid_field
        cancel A1                                 => annule 0.00 100.00
        balance USD                               => 1000.00
        cancel A1                                 => ! credit_cancelled
        pay A1 1                                  => ! credit_cancelled
        balance USD                               => 1000.00
        cancel A2                                 => ! unknown_credit
        grant A3 10 USD                           => accorde 0.00 10.00
        pay A3 10                                 => paye 10.00 0.00
        cancel A3                                 => ! cancel_with_payments
        unpay A3 1                                => accorde 0.00 10.00
        cancel A3                                 => annule 0.00 10.00
        balance USD                               => 1000.00
        history A3                                => grant pay reverse_payment cancel
    ";

    /// Fault F14: not only a paid credit, a partly paid one cannot be cancelled either.
    f14_no_cancellation_while_any_payment_stands = "
        grant A1 100 USD                          => accorde 0.00 100.00
        pay A1 0.01                               => partiellementPaye 0.01 99.99
        cancel A1                                 => ! cancel_with_payments
        pay A1 99.99                              => paye 100.00 0.00
        cancel A1                                 => ! cancel_with_payments
    ";

    editing = "
        grant A1 100 USD                          => accorde 0.00 100.00
        edit A1 name=Amani_Mumbere                => ! nothing_to_change
        edit A1                                   => ! nothing_to_change
        edit A1 name=Espérance                    => accorde 0.00 100.00
        edit A1 name=Espérance                    => ! nothing_to_change
        edit A1 name=_                            => ! invalid_field
        edit A1 phone=123456789012345678901       => ! invalid_field
        edit A1 phone=+243810000001 address=Himbi notes=soon due=20 => accorde 0.00 100.00
        edit A1 phone=+243810000001 address=Himbi notes=soon due=20 => ! nothing_to_change
        edit A1 phone=- address=- notes=-         => accorde 0.00 100.00
        edit A1 phone=-                           => ! nothing_to_change
        edit A2 name=X                            => ! unknown_credit
        pay A1 100                                => paye 100.00 0.00
        edit A1 notes=paid_at_last                => paye 100.00 0.00
        grant A3 1 USD                            => accorde 0.00 1.00
        cancel A3                                 => annule 0.00 1.00
        edit A3 notes=mistake                     => annule 0.00 1.00
        history A1                                => grant edit edit edit pay edit
        balance USD                               => 900.00
    ";

    captures = "
        capture m1 50 USD enAttente               => idle enAttente
        balance USD                               => 1000.00
        validate m1                               => counts validee
        balance USD                               => 1050.00
        validate m1                               => ! capture_not_pending
        capture m2 20 USD validee                 => counts validee
        validate m2                               => ! capture_not_pending
        capture m3 20 USD annulee                 => idle annulee
        validate m3                               => ! capture_not_pending
        balance USD                               => 1070.00
        undo m2                                   => idle validee reversed
        undo m2                                   => ! movement_reversed
        validate m2                               => ! movement_reversed
        balance USD                               => 1050.00
        capture m4 5 USD enAttente                => idle enAttente
        undo m4                                   => idle enAttente reversed
        validate m4                               => ! movement_reversed
        balance USD                               => 1050.00
        capture m5 0 USD validee                  => ! invalid_field
        capture m5 5 USD validee cash=4_CDF       => ! invalid_field
        capture m5 5 USD validee phone=123456789012345678901 => ! invalid_field
        capture m5 5 USD validee cash=4.50_USD    => counts validee
    ";

    /// A capture is taken back only while what it brought is still there.
    captures_that_were_spent = "
        capture m1 50 USD validee                 => counts validee
        grant A1 1000.01 USD                      => accorde 0.00 1000.01
        undo m1                                   => ! insufficient_share
        cancel A1                                 => annule 0.00 1000.01
        undo m1                                   => idle validee reversed
        balance USD                               => 1000.00
    ";

    withdrawals_and_reimbursements = "
        withdraw m1 100 USD owed_by=2             => counts enAttente
        balance USD                               => 900.00
        reimburse m1                              => counts rembourse
        reimburse m1                              => ! already_reimbursed
        balance USD                               => 900.00
        withdraw m2 900.01 USD                    => ! insufficient_share
        withdraw m2 100 USD owed_by=9             => ! unknown_shop
        withdraw m2 900 USD                       => counts enAttente
        balance USD                               => 0.00
        undo m2                                   => idle enAttente reversed
        reimburse m2                              => ! movement_reversed
        undo m2                                   => ! movement_reversed
        balance USD                               => 900.00
        withdraw m3 0 CDF                         => ! invalid_field
    ";

    deposits = "
        deposit m1 300 USD phone=+243810000001    => counts
        balance USD                               => 700.00
        deposit m2 700.01 USD                     => ! insufficient_share
        deposit m2 1 CDF                          => counts
        balance CDF                               => 499999.00
        undo m1                                   => idle reversed
        undo m1                                   => ! movement_reversed
        balance USD                               => 1000.00
        deposit m3 0 USD                          => ! invalid_field
        deposit m3 1 USD phone=123456789012345678901 => ! invalid_field
    ";

    kinds_and_names_of_movements = "
        capture m1 50 USD enAttente               => idle enAttente
        withdraw m2 10 USD                        => counts enAttente
        deposit m3 10 USD                         => counts
        reimburse m1                              => ! movement_kind
        reimburse m3                              => ! movement_kind
        validate m2                               => ! movement_kind
        validate m3                               => ! movement_kind
        validate mv_aaaaaaaaaaaaaaaa              => ! unknown_movement
        reimburse rubbish                         => ! unknown_movement
        undo A1                                   => ! unknown_movement
        opening m4 10 USD                         => ! not_allowed
    ";

    /// What gives back is done by the device that took; that cash came back, anyone of the shop may say.
    movements_of_other_devices = "
        capture m1 50 USD enAttente               => idle enAttente
        capture m2 50 USD validee                 => counts validee
        withdraw m3 10 USD                        => counts enAttente
        deposit m4 10 USD                         => counts
        meet
        till: validate m1                         => ! movement_of_another_device
        till: undo m1                             => ! movement_of_another_device
        till: undo m2                             => ! movement_of_another_device
        till: undo m3                             => ! movement_of_another_device
        till: undo m4                             => ! movement_of_another_device
        till: reimburse m3                        => counts rembourse
        branch: reimburse m3                      => ! not_allowed
        meet
        reimburse m3                              => ! already_reimbursed
        validate m1                               => counts validee
    ";

    shops_and_sims = "
        shop number=2                             => ! shop_exists
        shop                                      => ok
        shop number=3                             => ! shop_exists
        shop number=4 name=_                      => ! invalid_field
        shop number=0                             => ! invalid_field
        shop number=4 name=Kindu town=_           => ! invalid_field
        shop number=4 name=Kindu town=Kindu       => ok
        till: shop number=5                       => ! not_allowed
        sim +243990000003 shop=9                  => ! unknown_shop
        sim +243971777631                         => ! sim_exists
        sim +243990000002                         => ! sim_exists
        sim +243990000003 shop=3 opening=5_USD    => ok
        balance USD sim=+243990000003             => 5.00
        till: sim +243990000004 opening=7_USD     => ok
        till: balance USD sim=+243990000004       => 7.00
        till: sim +243990000005 shop=2            => ! not_allowed
        till: sim +243990000005                   => ok
        till: balance USD sim=+243990000005       => 0.00
    ";

    rights = "
        grant A1 10 USD                           => accorde 0.00 10.00
        meet
        branch: pay A1 1                          => ! not_allowed
        branch: cancel A1                         => ! not_allowed
        branch: edit A1 name=X                    => ! not_allowed
        till: invite device                       => ! not_allowed
        invite headoffice                         => ! not_allowed
        invite device shop=9                      => ! unknown_shop
        invite device seconds=0                   => ! invalid_field
        invite device seconds=604801              => ! invalid_field
        invite device new_shop=_                  => ! invalid_field
        invite device seconds=604800              => ok
        till: revoke branch                       => ! not_allowed
        revoke office                             => ! not_allowed
        revoke nobody                             => ! unknown_device
        till: rename office name=X                => ! not_allowed
        till: rename nobody name=X                => ! unknown_device
        till: rename till name=_                  => ! invalid_field
        till: rename till name=comptoir_2         => ok
        keep 01234567890123456789012345678901234567890123456789012345678901234 => ! invalid_field
        keep a                                    => ok
    ";

    keys_and_clocks = "
        grant A1 100 USD                          => accorde 0.00 100.00
        [k1] pay A1 10                            => partiellementPaye 10.00 90.00
        [k1] pay A1 10                            => partiellementPaye 10.00 90.00
        [k1] pay A1 11                            => ! idempotency_key_reused
        [k1] cancel A1                            => ! idempotency_key_reused
        [] pay A1 10                              => ! invalid_field
        show A1                                   => partiellementPaye 10.00 90.00
        clock_off_days office -7300
        pay A1 10                                 => ! clock_before_2020
        [k2] pay A1 10                            => ! clock_before_2020
        grant A2 10 USD                           => ! clock_before_2020
        clock_off_days office 0
        [k2] pay A1 10                            => partiellementPaye 20.00 80.00
    ";

    cursors = "
        grant A1 1 USD                            => accorde 0.00 1.00
        list                                      => ok
        list after=rubbish                        => ! bad_cursor
        list after=1.cr_a                         => ! bad_cursor
        list after=cr_aaaaaaaaaaaaaaaa            => ! bad_cursor
        movements                                 => ok
        movements after=rubbish                   => ! bad_cursor
        movements after=mv_aaaaaaaaaaaaaaaa       => ! bad_cursor
    ";

    /// A command that is wrong in two ways is always refused for the same one.
    the_first_of_two_faults = "
        grant A1 100 USD                          => accorde 0.00 100.00
        pay A1 100                                => paye 100.00 0.00
        pay A1 rubbish                            => ! amount_not_a_number
        pay A1 500                                => ! credit_paid
        grant A1 5000 USD                         => ! reference_taken
        grant A1 5000 USD sim=+243999999999       => ! unknown_sim
        grant A1 0 USD sim=+243999999999          => ! invalid_field
        till: grant A1 5000 USD sim=+243990000002 => ! sim_of_another_shop
        capture m1 10 USD validee                 => counts validee
        meet
        undo m1                                   => idle validee reversed
        meet
        till: undo m1                             => ! movement_of_another_device
    ";
}
