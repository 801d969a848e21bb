"""`python -m bnn_core`: the same as `bnn-course`."""

from bnn_core.course.command_line import main

if __name__ == "__main__":
    main(prog_name="bnn-course")
