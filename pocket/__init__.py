"""The pocket model that comes with aloe-hub; in a checkout it lies in pocket/, with the script that made it."""
