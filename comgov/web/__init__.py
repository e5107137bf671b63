"""The web kernel: what every feature's pages stand on. See README.md."""

from comgov.web.api import DOWNLOAD, answer, describe
from comgov.web.application import Site, application, prepare
from comgov.web.config import Config
from comgov.web.forms import FilesTooLarge, Form, Part, Upload, form, parts
from comgov.web.frame import capacity
from comgov.web.middleware import content_policy, once
from comgov.web.pages import Page, flash, gettext, instant, is_local, language, redirect, render, whole_moment
from comgov.web.server import serve
from comgov.web.transfer import Download, body, expect, is_start, json_body, send, stream, whole_body
from comgov.web.visitor import (
    Capacity,
    Visitor,
    Visitors,
    begin_session,
    client_ip,
    end_session,
    is_direct,
    is_secure,
    public_url,
    session_token,
    visitor,
)

__all__ = [
    "DOWNLOAD",
    "Capacity",
    "Config",
    "Download",
    "FilesTooLarge",
    "Form",
    "Page",
    "Part",
    "Site",
    "Upload",
    "Visitor",
    "Visitors",
    "answer",
    "application",
    "begin_session",
    "body",
    "capacity",
    "client_ip",
    "content_policy",
    "describe",
    "end_session",
    "expect",
    "flash",
    "form",
    "gettext",
    "instant",
    "is_direct",
    "is_local",
    "is_secure",
    "is_start",
    "json_body",
    "language",
    "once",
    "parts",
    "prepare",
    "public_url",
    "redirect",
    "render",
    "send",
    "serve",
    "session_token",
    "stream",
    "visitor",
    "whole_body",
    "whole_moment",
]
