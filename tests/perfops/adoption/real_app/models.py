"""What is planted beside a public project: an N+1, and a look-up without an index."""

from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Thing(models.Model):
    owner = models.ForeignKey(Person, models.CASCADE)
    code = models.CharField(max_length=50)

    def __str__(self) -> str:
        return f"{self.code} of {self.owner}"
