"""The command line, `agn …`; the only papermill and typer imports."""
