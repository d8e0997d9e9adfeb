#!/bin/sh
exec runner chore halt -v
