"""The program ends and nothing but the device knows the stream."""

from life import playing


def main() -> None:
    playing()


main()
