"""Make the tables of django-celery-results by its migrations, before `shop.py` stores in them."""

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "results.db"}},
    INSTALLED_APPS=["django_celery_results"],
    USE_TZ=True,
    TIME_ZONE="UTC",
)
django.setup()
call_command("migrate", verbosity=0)
