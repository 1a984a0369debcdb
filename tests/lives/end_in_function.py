"""The program ends while only the device has a reference to the stream."""

from life import playing


def main() -> None:
    playing()


main()
