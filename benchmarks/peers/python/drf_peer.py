"""The same answers as a project with Django REST framework has them, pages cached by Django."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django_tables import DETAIL, SUMMARY, Profile, listed, public
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class SummarySerializer(serializers.ModelSerializer):
    class Meta:
        model = Profile
        fields = SUMMARY


class DetailSerializer(serializers.ModelSerializer):
    class Meta:
        model = Profile
        fields = DETAIL


class ListQuery(serializers.Serializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    created_from = serializers.DateTimeField(default="1970-01-01T00:00:00Z")


@method_decorator(cache_page(600), name="get")
class Profiles(APIView):
    renderer_classes = [JSONRenderer]

    def get(self, request: Request) -> Response:
        query = ListQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        limit = query.validated_data["limit"]
        found = listed(query.validated_data["created_from"], limit)
        following = found[limit - 1].id if len(found) > limit else None
        return Response(
            {"items": SummarySerializer(found[:limit], many=True).data, "next": following}
        )


@method_decorator(cache_page(600), name="get")
class OneProfile(RetrieveAPIView):
    renderer_classes = [JSONRenderer]
    serializer_class = DetailSerializer
    queryset = public()


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("health", health),
    path("api/v1/profiles", Profiles.as_view()),
    path("api/v1/profiles/<uuid:pk>", OneProfile.as_view()),
]
