"""Run by Django's own runner, once without perfops and once with it."""

from django.test import TestCase, TransactionTestCase

from real_app.models import Person, Thing


class InTransaction(TestCase):
    def test_a_page_sends_its_statements(self) -> None:
        owner = Person.objects.create(name="One")
        Thing.objects.create(owner=owner, code="x")
        with self.assertNumQueries(1):
            self.assertEqual(self.client.get("/find/x/").status_code, 200)


class WithFlush(TransactionTestCase):
    def test_rows_are_gone_after_each_test(self) -> None:
        self.assertEqual(Person.objects.count(), 0)
        Person.objects.create(name="One")

    test_and_after_the_next_one = test_rows_are_gone_after_each_test
