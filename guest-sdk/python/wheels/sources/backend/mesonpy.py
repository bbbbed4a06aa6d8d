"""Stands in for meson-python while pip downloads numpy's source distribution: pip wants metadata, which is there already."""

import email
import os
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        message = email.message_from_file(file)
    name = f"{message['Name']}-{message['Version']}.dist-info"
    os.makedirs(os.path.join(folder, name))
    shutil.copy("PKG-INFO", os.path.join(folder, name, "METADATA"))
    with open(os.path.join(folder, name, "WHEEL"), "w") as file:
        file.write("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n")
    return name
