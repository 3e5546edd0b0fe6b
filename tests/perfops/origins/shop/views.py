from django.contrib.auth.models import User
from django.http import HttpResponse, StreamingHttpResponse


def plain_middleware(get_response):
    return get_response


def first(name):
    return list(User.objects.filter(username=name))


def second(name):
    return list(User.objects.filter(username=name))


def shelf(request, number):
    first(f"shelf {number}")
    second("a")
    second("b")
    return HttpResponse()


def counter(request, name):
    for _ in range(3):
        first(name)
    second(name)
    return HttpResponse()


async def awaiting(request):
    await User.objects.filter(username="awaited").aexists()
    return HttpResponse()


def stream(request):
    def parts():
        for name in "abc":
            first(name)
            yield name

    return StreamingHttpResponse(parts())


def nothing(request):
    return HttpResponse()
