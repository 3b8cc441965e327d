# One image for every process of the Procfile; docker-compose.yml says which one each container runs.
FROM python:3.13-slim

WORKDIR /penstock
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements.txt .
RUN pip install -r requirements.txt

COPY app app
COPY config config
COPY web web
COPY workers workers

RUN useradd --create-home penstock && mkdir .penstock && chown penstock .penstock
USER penstock

EXPOSE 8000
CMD ["gunicorn", "-c", "config/gunicorn.py", "web:create_app()"]
